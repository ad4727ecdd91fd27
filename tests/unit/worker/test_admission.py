"""Who gets a thread, who waits, who is refused."""

from dataclasses import dataclass
from time import monotonic

from app.worker.admission import PERSISTENT, TARGET_S, WINDOW_S, Admission


@dataclass
class Waiting:
    """What the admission knows of a connection."""

    name: str
    arrived: float


def _busy(threads: int = 2) -> Admission:
    admission = Admission(threads)
    for _ in range(threads):
        admission.take()
    return admission


def _join(admission: Admission, name: str, ago: float = 0.0, bulk: bool = False, seconds: float | None = None) -> bool:
    return admission.join(Waiting(name, monotonic() - ago), bulk, seconds)


def _next(admission: Admission) -> str:
    admission.give_back(0.001)
    called = next(iter(admission.called_up()))
    admission.take()
    return str(called.name)


def _slow_windows(admission: Admission, count: int) -> None:
    """Windows in which everybody waited too long."""
    now = monotonic() + WINDOW_S * 2
    for number in range(count):
        _join(admission, "late", ago=TARGET_S * 2)
        _next(admission)
        admission.turn(now + number * WINDOW_S * 1.1)


def test_a_free_thread_is_given_at_once_and_never_more_than_there_are() -> None:
    admission = _busy(2)
    assert not admission.free
    assert list(admission.called_up()) == []
    admission.give_back(0.001)
    assert admission.free


def test_nobody_overtakes_who_waits() -> None:
    admission = _busy(1)
    _join(admission, "first")
    admission.give_back(0.001)
    assert not admission.free


def test_interactive_goes_first_and_bulk_is_not_starved() -> None:
    admission = _busy(2)
    _join(admission, "bulk", bulk=True)
    _join(admission, "one")
    _join(admission, "starving", ago=2.0, bulk=True)
    assert [_next(admission) for _ in range(3)] == ["one", "bulk", "starving"]
    _join(admission, "starving", ago=2.0, bulk=True)
    _join(admission, "two")
    assert _next(admission) == "starving"


def test_bulk_has_half_of_the_room() -> None:
    admission = _busy(2)
    taken = [_join(admission, str(number), bulk=True) for number in range(20)]
    assert sum(taken) == 4
    assert _join(admission, "interactive")


def test_what_could_not_be_answered_in_time_is_refused_at_once() -> None:
    admission = _busy(1)
    _join(admission, "a", ago=0.2)
    _join(admission, "b")
    _next(admission)
    assert not _join(admission, "hasty", seconds=0.1)
    assert _join(admission, "patient", seconds=1.0)
    _next(admission)
    _next(admission)
    assert _join(admission, "hasty again", seconds=0.1), "nobody is before it"


def test_a_standing_queue_shrinks_and_a_hiccup_does_not() -> None:
    admission = _busy(2)
    room = admission.room
    _slow_windows(admission, PERSISTENT - 1)
    assert admission.room == room
    _slow_windows(admission, 30)
    assert admission.room == admission.threads


def test_room_comes_back_when_waits_are_short_again() -> None:
    admission = _busy(2)
    _slow_windows(admission, 30)
    small = admission.room
    now = monotonic() + 60
    for number in range(5):
        while _join(admission, "eager"):
            pass
        while admission.waiting:
            _next(admission)
        admission.turn(now + number * WINDOW_S * 1.1)
    assert admission.room > small
