"""When a worker is too heavy."""

import pytest

from app.telemetry.memory import Memory
from app.worker import weight
from app.worker.weight import HEADROOM, LOOK_S, Weight

MIB = 1 << 20


class Scales:
    """A process whose memory and clock the test sets."""

    def __init__(self, patch: pytest.MonkeyPatch, own: int) -> None:
        self.own, self.now, self.looks = own, 100.0, 0
        patch.setattr(weight, "memory", self._memory)
        patch.setattr(weight, "monotonic", lambda: self.now)

    def _memory(self) -> Memory:
        self.looks += 1
        return Memory(self.own * 2, self.own)


def test_without_a_limit_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    scales = Scales(monkeypatch, 5000 * MIB)
    assert not Weight(0).too_much()
    assert scales.looks == 0


def test_above_the_limit_is_too_much_and_looks_are_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    scales = Scales(monkeypatch, 50 * MIB)
    worker = Weight(100 * MIB)
    scales.own = 101 * MIB
    assert worker.too_much()
    looks = scales.looks
    assert all(worker.too_much() for _ in range(100))
    assert scales.looks == looks
    scales.now += LOOK_S
    scales.own = 99 * MIB
    assert not worker.too_much()


def test_a_limit_that_a_fresh_worker_exceeds_does_not_replace_it_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    scales = Scales(monkeypatch, 200 * MIB)
    worker = Weight(100 * MIB)
    assert not worker.too_much()
    scales.own, scales.now = int(HEADROOM * 200 * MIB) + MIB, scales.now + LOOK_S
    assert worker.too_much()
