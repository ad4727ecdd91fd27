"""How much a process holds, and how much more after it was asked something a hundred times."""

from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024


def resident_bytes(pid: int) -> int:
    """What of it lies in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def growth(pid: int, ask: Callable[[], None], rounds: int = 100) -> float:
    """Bytes per 100 requests, after as many that warm it up: the least of three times, for a leak is in each of them.

    Allocators take memory in large steps and keep some; one step says nothing.
    """
    found, before = [], 0
    for window in range(4):
        for _ in range(rounds):
            ask()
        now = resident_bytes(pid)
        if window:
            found.append((now - before) * 100 / rounds)
        if found and found[-1] < MIB:
            break
        before = now
    return min(found)
