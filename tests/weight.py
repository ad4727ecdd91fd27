"""How much a process holds, and how much more after it was asked something a hundred times."""

from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024


def resident_bytes(pid: int) -> int:
    """What of it lies in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def growth(pid: int, ask: Callable[[], None], rounds: int = 100) -> float:
    """Bytes per 100 requests, after as many that warm it up; as soon as it is under a MiB, or after eight times.

    Allocators take memory in large steps and keep some, so one time may say anything; a leak is in all of them.
    """
    _repeat(ask, rounds)
    before, grown = resident_bytes(pid), 0.0
    for asked in range(rounds, 9 * rounds, rounds):
        _repeat(ask, rounds)
        grown = (resident_bytes(pid) - before) * 100 / asked
        if grown < MIB:
            break
    return grown


def _repeat(ask: Callable[[], None], times: int) -> None:
    for _ in range(times):
        ask()
