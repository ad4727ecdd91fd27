"""Who may go when, and who has fewest connections."""

from pathlib import Path

import pytest

from app.state.roster import SEATS, Roster, Seat


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    return Roster(tmp_path / "roster")


def _ready(roster: Roster, *ages: int) -> list[Seat]:
    seats = [roster.board(age) for age in ages]
    for seat in seats:
        seat.ready()
    return seats


def test_seats_are_the_lowest_that_are_free(roster: Roster) -> None:
    assert [seat.number for seat in _ready(roster, 1, 2, 3)] == [0, 1, 2]
    roster.vacate(2)
    assert roster.board(4).number == 1
    assert roster.board(5).number == 3


def test_the_table_is_the_same_for_whoever_opens_it(roster: Roster, tmp_path: Path) -> None:
    (seat,) = _ready(roster, 1)
    Roster(tmp_path / "roster").announce_stop()
    assert seat.stopping


def test_the_connections_of_the_others(roster: Roster) -> None:
    one, two, three = _ready(roster, 1, 2, 3)
    one.show(1)
    two.show(5)
    three.show(4)
    assert [seat.connections_elsewhere() for seat in (one, two, three)] == [[5, 4], [1, 4], [1, 5]]


def test_those_who_take_none_do_not_count(roster: Roster) -> None:
    one, two = _ready(roster, 1, 2)
    roster.board(3)
    two.rest()
    assert one.connections_elsewhere() == []


def test_without_a_reload_a_worker_may_go_at_once(roster: Roster) -> None:
    one, _ = _ready(roster, 1, 2)
    assert one.replaced()


def test_after_a_reload_the_old_wait_for_all_the_new(roster: Roster) -> None:
    one, two = _ready(roster, 1, 2)
    roster.announce_reload(2)
    assert not one.replaced(), "nobody has come yet"
    three, four = roster.board(3), roster.board(4)
    three.ready()
    assert not one.replaced()
    four.ready()
    assert one.replaced()
    assert two.replaced()
    assert three.replaced(), "the new ones wait for nobody"


def test_the_old_stay_while_the_new_fail(roster: Roster) -> None:
    (one,) = _ready(roster, 1)
    roster.announce_reload(1)
    roster.board(2)
    roster.vacate(2)
    assert not one.replaced()


def test_one_who_is_tired_leaves_only_while_another_is_there(roster: Roster) -> None:
    (alone,) = _ready(roster, 1)
    assert alone.rest(), "nobody could take over"
    one, two = _ready(roster, 2, 3)
    roster.vacate(1)
    assert one.rest()
    assert two.connections_elsewhere() == []
    assert not two.rest(), "the other has left already"
    roster.board(4).ready()
    assert two.rest()


def test_more_workers_than_seats_are_refused(roster: Roster) -> None:
    for age in range(1, SEATS + 1):
        roster.board(age)
    with pytest.raises(LookupError):
        roster.board(SEATS + 1)
