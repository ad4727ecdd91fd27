"""A claim matters only between a death and the retry it causes."""

import os
import signal
import timeit
from collections.abc import Callable
from pathlib import Path

from app.state.ledger import Ledger, NullLedger


def _in_a_child(work: Callable[[], None]) -> int:
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


def _claim(path: Path, name: str) -> None:
    assert Ledger(path).claim(name)


def test_one_who_died_has_claimed(tmp_path: Path) -> None:
    path = tmp_path / "told"
    mine = Ledger(path)
    pid = _in_a_child(lambda: _claim(path, "request-1"))
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not mine.claim("request-1"), "dead, not yet reaped"
    os.waitpid(pid, 0)
    assert not mine.claim("request-1"), "dead and gone"
    assert mine.claim("request-2")


def test_one_who_lives_has_not(tmp_path: Path) -> None:
    """A caller may use one id for all its requests."""
    path = tmp_path / "told"
    mine = Ledger(path)
    pid = _in_a_child(lambda: _claim(path, "always-the-same"))
    try:
        assert mine.claim("always-the-same")
        assert mine.claim("always-the-same")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert mine.claim("always-the-same"), "the last claim was mine"


def test_alone_there_is_nothing_to_claim() -> None:
    assert NullLedger().claim("a")
    assert NullLedger().claim("a")


def test_a_claim_costs_about_a_microsecond(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "told")
    names = [f"request-{number}" for number in range(1000)]
    once = min(timeit.repeat(lambda: [ledger.claim(name) for name in names], number=1, repeat=20)) / 1000
    assert once < 4e-6, f"{once * 1e6:.1f} us"
