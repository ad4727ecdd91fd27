"""What lies on a shelf is found by the next one in the seat, until its window is over."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from app.gateway.caller import Quota
from app.gateway.reserves import Reserve, Supply
from app.state.base import Grant
from app.state.ledger import Ledger
from app.state.memory import MemoryState
from app.state.roster import Roster
from app.state.shelf import PLACES, Shelf, Stock

A, B = hash(("key:a", 1)), hash(("key:b", 1))


def test_what_was_kept_is_found_by_the_next(tmp_path: Path) -> None:
    stock = Stock(7, 93, 93, monotonic() + 60)
    Shelf(tmp_path / "reserves-0").place(A).keep(stock)
    next_ones = Shelf(tmp_path / "reserves-0").place(A)
    assert next_ones.find() == stock
    next_ones.keep_left(6)
    assert Shelf(tmp_path / "reserves-0").place(A).find() == stock._replace(left=6)
    assert Shelf(tmp_path / "reserves-0").place(B).find() is None
    assert Shelf(tmp_path / "reserves-1").place(A).find() is None


def test_a_window_that_is_over_is_nothing(tmp_path: Path) -> None:
    place = Shelf(tmp_path / "reserves-0").place(A)
    place.keep(Stock(7, 93, 93, monotonic() - 1))
    assert place.find() is None


@pytest.mark.parametrize("make", [Shelf, Ledger, Roster])
def test_what_processes_share_is_there_before_they_write_to_it(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """A file system that is full would end them otherwise."""
    file = tmp_path / "shared"
    assert make(file)
    assert file.stat().st_blocks * 512 >= file.stat().st_size > 0


def test_two_for_one_place(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "reserves-0")
    first, second = shelf.place(5), shelf.place(5 + PLACES)
    kept = Stock(7, 93, 93, monotonic() + 60)
    first.keep(kept)
    second.keep(Stock(1, 1, 1, monotonic() + 60))
    second.keep_left(0)
    assert first.find() == kept
    assert second.find() is None
    first.keep(Stock(7, 93, 93, monotonic() - 1))
    second.keep(kept)
    assert second.find() == kept


class _Far(MemoryState):
    """Memory that counts how often it is asked, and says that it is shared."""

    shared = True
    asked = 0

    def take(self, key: str, need: int, want: int, limit: int, seconds: int) -> Grant:
        self.asked += 1
        return super().take(key, need, want, limit, seconds)


def test_a_successor_hands_out_what_was_reserved(tmp_path: Path) -> None:
    """300 units in reserves of 3; a worker that changes after each call loses none, and asks no more often."""
    far, quota, given = _Far(tmp_path), Quota("requests", 300, 60), 0
    for _ in range(400):
        supply = Supply(far, 1)
        supply.shelf = Shelf(tmp_path / "reserves-0")
        given += Reserve("key:a", quota, supply).take(1, may_guess=True) >= 0
    assert given == 300
    assert far.asked <= 300 / 4 + 1


def test_a_successor_that_has_not_asked_yet_leaves_what_it_has_not_handed_out(tmp_path: Path) -> None:
    far, quota = _Far(tmp_path), Quota("requests", 1000, 60)
    left = []
    for _ in range(3):
        supply = Supply(far, 1)
        supply.shelf = Shelf(tmp_path / "reserves-0")
        left += [Reserve("key:a", quota, supply).take(1, may_guess=True)]
    assert (left, far.asked) == ([999, 998, 997], 1)
