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
    Shelf(tmp_path / "reserves-0").keep(A, *stock)
    assert Shelf(tmp_path / "reserves-0").find(A) == stock
    assert Shelf(tmp_path / "reserves-0").find(B) is None
    assert Shelf(tmp_path / "reserves-1").find(A) is None


def test_a_window_that_is_over_is_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "reserves-0")
    shelf.keep(A, 7, 93, 93, monotonic() - 1)
    assert shelf.find(A) is None


@pytest.mark.parametrize("make", [Shelf, Ledger, Roster])
def test_what_processes_share_is_there_before_they_write_to_it(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """A file system that is full would end them otherwise."""
    file = tmp_path / "shared"
    assert make(file)
    assert file.stat().st_blocks * 512 >= file.stat().st_size > 0


def test_two_for_one_place(tmp_path: Path) -> None:
    shelf, first, second = Shelf(tmp_path / "reserves-0"), 5, 5 + PLACES
    kept = Stock(7, 93, 93, monotonic() + 60)
    shelf.keep(first, *kept)
    shelf.keep(second, 1, 1, 1, monotonic() + 60)
    assert shelf.find(first) == kept
    assert shelf.find(second) is None
    shelf.keep(first, 7, 93, 93, monotonic() - 1)
    shelf.keep(second, *kept)
    assert shelf.find(second) == kept


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
