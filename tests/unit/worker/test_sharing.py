"""Who takes a connection, and who gives one up."""

from pathlib import Path

import pytest

from app.state.roster import Roster, Seat
from app.worker.sharing import COURTESY_S, WEIGHING_S, Share


@pytest.fixture
def seats(tmp_path: Path) -> tuple[Seat, Seat]:
    roster = Roster(tmp_path / "roster")
    pair = roster.board(1), roster.board(2)
    for seat in pair:
        seat.ready()
    return pair


def test_who_has_no_more_than_the_other_takes_it(seats: tuple[Seat, Seat]) -> None:
    share = Share(seats[0])
    for mine, others in ((0, 0), (1, 0), (5, 5), (6, 4), (0, 9)):
        seats[1].show(others)
        assert not share.is_anothers(mine, 100.0)


def test_who_has_more_leaves_it_for_a_moment_and_then_takes_it(seats: tuple[Seat, Seat]) -> None:
    share = Share(seats[0])
    seats[1].show(2)
    assert share.is_anothers(8, 100.0)
    assert share.courtesy_left(100.0) == pytest.approx(COURTESY_S)
    assert share.is_anothers(8, 100.0 + COURTESY_S / 2)
    assert not share.is_anothers(8, 100.0 + COURTESY_S)
    assert share.courtesy_left(100.0 + COURTESY_S) == 0
    assert share.is_anothers(9, 100.0 + 3 * COURTESY_S), "and is polite again"


def test_alone_one_takes_everything_and_gives_up_nothing(tmp_path: Path) -> None:
    seat = Roster(tmp_path / "roster").board(1)
    seat.ready()
    share = Share(seat)
    assert not share.is_anothers(1000, 100.0)
    share.weigh(1000, 100.0)
    assert not share.gives_up_one()


def test_too_many_are_given_up_one_by_one(seats: tuple[Seat, Seat]) -> None:
    share = Share(seats[0])
    seats[1].show(0)
    share.weigh(16, 100.0)
    assert [share.gives_up_one() for _ in range(10)] == [True] * 8 + [False] * 2
    share.weigh(16, 100.0 + WEIGHING_S / 2)
    assert not share.gives_up_one(), "not weighed again yet"
    share.weigh(8, 100.0 + WEIGHING_S)
    assert seats[1].connections_elsewhere() == [8]


def test_a_small_difference_is_nobodys_business(seats: tuple[Seat, Seat]) -> None:
    share = Share(seats[0])
    for mine, others in ((9, 7), (8, 8), (1, 0), (2, 0), (50, 42)):
        seats[1].show(others)
        share.weigh(mine, 100.0 + WEIGHING_S * mine)
        assert not share.gives_up_one(), (mine, others)
