"""Units of a quota, while shared state comes and goes."""

from pathlib import Path

from app.gateway.caller import Quota
from app.gateway.reserves import Reserve, Supply
from app.state.base import Grant, StateUnavailable
from app.state.memory import MemoryState, Windows
from app.state.shelf import Shelf

QUOTA = Quota("requests", 40, 3600)


class Shared(MemoryState):
    """Shared state that can be away; everybody's units are counted in one place."""

    shared = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.away = False
        self.windows = Windows()

    def take(self, key: str, need: int, want: int, limit: int, seconds: int) -> Grant:
        if self.away:
            raise StateUnavailable("away")
        return self.windows.take(key, need, want, limit, seconds)


def admitted(reserve: Reserve, calls: int) -> int:
    """How many of these calls had a unit."""
    return sum(reserve.take(1, may_guess=True) >= 0 for _ in range(calls))


def test_a_worker_that_had_used_its_part_up_goes_on_when_shared_state_is_back(tmp_path: Path) -> None:
    """And not only when the window ends, which may be an hour away."""
    state = Shared(tmp_path)
    busy, idle = (Reserve("key:a", QUOTA, Supply(state, 2)) for _ in range(2))
    assert admitted(busy, 10) == 10
    state.away = True
    assert admitted(busy, 40) == 15, "its part of the 30 that were left"
    state.away = False
    assert admitted(busy, 1) == 1
    assert admitted(idle, 40) == 14, "and what was given out meanwhile is known to everybody"
    assert admitted(busy, 40) == 0


def test_nothing_to_give_away_alone_is_no_answer_for_the_rest_of_the_window(tmp_path: Path) -> None:
    state = Shared(tmp_path)
    state.away = True
    reserve = Reserve("key:a", QUOTA, Supply(state, 100))
    assert admitted(reserve, 3) == 0
    state.away = False
    assert admitted(reserve, 50) == 40


def test_who_takes_over_from_a_worker_that_was_alone_asks_again(tmp_path: Path) -> None:
    state = Shared(tmp_path)
    supply = Supply(state, 2)
    supply.shelf = Shelf(tmp_path / "shelf")
    state.away = True
    assert admitted(Reserve("key:a", QUOTA, supply), 40) == 20
    state.away = False
    assert admitted(Reserve("key:a", QUOTA, supply), 40) >= 20
