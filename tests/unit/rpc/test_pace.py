"""Which calls stay on the event loop."""

from time import sleep, thread_time

import pytest

from app.rpc import pace
from app.rpc.pace import QUICK_S, Pace, held

KIND = ("/infer", "churn", "")


def test_unknown_calls_go_to_a_thread() -> None:
    assert not Pace().quick(KIND)


def test_quick_calls_stay_and_long_ones_go() -> None:
    known = Pace()
    known.took(KIND, QUICK_S / 5, on_loop=False)
    assert known.quick(KIND)
    assert not known.quick(("/infer", "other", ""))
    known.took(("/infer", "other", ""), QUICK_S * 5, on_loop=False)
    assert not known.quick(("/infer", "other", ""))


def test_one_long_call_among_many_changes_nothing() -> None:
    known = Pace()
    for _ in range(20):
        known.took(KIND, QUICK_S / 10, on_loop=True)
    known.took(KIND, 0.05, on_loop=True)
    assert known.quick(KIND)


def test_what_held_the_loop_too_long_is_barred_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread's own time does not see a Redis that stalls; so being quick there is not enough to come back at once."""
    now = 100.0
    monkeypatch.setattr(pace, "monotonic", lambda: now)
    known = Pace()
    known.took(KIND, QUICK_S / 10, on_loop=True)
    for _ in range(2):
        known.took(KIND, 0.05, on_loop=True)
    assert not known.quick(KIND)
    for _ in range(100):
        known.took(KIND, QUICK_S / 10, on_loop=False)
    assert not known.quick(KIND)
    now += 5.1
    assert known.quick(KIND)


def test_waiting_holds_the_loop() -> None:
    answer, seconds = held(lambda: sleep(0.01) or b"slept")  # type: ignore[func-returns-value]
    assert (answer, seconds >= 0.01) == (b"slept", True)


def test_working_holds_the_loop_as_long_as_it_takes_the_processor() -> None:
    began = thread_time()
    _, seconds = held(lambda: b"%d" % sum(range(300_000)))
    assert 0 < seconds <= thread_time() - began + 0.001
