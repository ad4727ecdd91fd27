"""A note matters only between a death and the retry it causes, and only for what a trusted proxy numbered."""

import os
import signal
import timeit
from collections.abc import Callable, Hashable
from pathlib import Path

import pytest

from app import passage
from app.state.ledger import Accounts, Ledger, Lines, NullLedger

NUMBER, OTHER = "0" * 32, "1" * 32


@pytest.fixture(autouse=True)
def _numbered() -> None:
    """The request of this test came through a proxy."""
    passage.begin(NUMBER)


def _claim(accounts: Accounts, whose: Hashable = None) -> bool:
    """Note it, unless it is settled."""
    if accounts.settled(whose):
        return False
    accounts.note(whose)
    return True


def _in_a_child(work: Callable[[], object]) -> int:
    """Fork, work, wait to be killed; the pid."""
    done, tell = os.pipe()
    pid = os.fork()
    if not pid:
        work()
        os.write(tell, b".")
        signal.pause()
    os.read(done, 1)
    os.close(done)
    os.close(tell)
    return pid


def _in_one_who_dies(work: Callable[[], object]) -> None:
    pid = _in_a_child(work)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_one_who_died_has_claimed(tmp_path: Path) -> None:
    mine = Ledger(tmp_path / "told")
    pid = _in_a_child(lambda: _claim(Ledger(tmp_path / "told")))
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not _claim(mine), "dead, not yet reaped"
    os.waitpid(pid, 0)
    passage.begin(OTHER)
    assert _claim(mine)


def test_a_note_of_the_dead_serves_once(tmp_path: Path) -> None:
    """Whoever learns a number cannot have one request after the other for nothing."""
    mine = Ledger(tmp_path / "charged")
    _in_one_who_dies(lambda: _claim(Ledger(tmp_path / "charged"), "alice"))
    assert _claim(mine, "bob")
    assert mine.settled("alice")
    assert not mine.settled("alice")
    assert _claim(mine, "alice")


def test_one_who_lives_has_not(tmp_path: Path) -> None:
    mine = Ledger(tmp_path / "told")
    pid = _in_a_child(lambda: _claim(Ledger(tmp_path / "told")))
    try:
        assert _claim(mine)
        assert _claim(mine)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert _claim(mine), "the last claim was mine"


@pytest.mark.parametrize("number", [None, "", "0" * 31, "G" * 32, "0" * 33, "client-made"])
def test_without_a_number_every_request_is_a_new_one(tmp_path: Path, number: str | None) -> None:
    mine = Ledger(tmp_path / "charged")
    passage.begin(number)
    _in_one_who_dies(lambda: _claim(Ledger(tmp_path / "charged")))
    assert not mine.settled()
    assert _claim(mine)


def test_alone_there_is_nothing_to_claim() -> None:
    assert _claim(NullLedger())
    assert _claim(NullLedger())
    assert not NullLedger().settled()


def test_a_claim_costs_a_few_microseconds(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "told")
    names = [("key:12345678", number) for number in range(1000)]
    once = min(timeit.repeat(lambda: [_claim(ledger, name) for name in names], number=1, repeat=20)) / 1000
    assert once < 8e-6, f"{once * 1e6:.1f} us"


def _begin(folder: Path) -> None:
    assert Lines(folder).due(lambda: True), "nobody died: there is no doubt"


def _write(folder: Path) -> None:
    lines = Lines(folder)
    lines.due(lambda: True)
    lines.written()


def test_a_line_is_due_once_however_its_writer_ends(tmp_path: Path) -> None:
    mine = Lines(tmp_path)
    _in_one_who_dies(lambda: _write(tmp_path))
    assert not mine.due(lambda: False), "noted as written: nobody looks"
    for stands in (True, False):
        passage.begin(str(int(stands)) * 31 + "2")
        _in_one_who_dies(lambda: _begin(tmp_path))
        assert mine.due(lambda found=stands: found) is not stands  # type: ignore[misc]
