"""The numbers of workers that have ended.

prometheus_client keeps one file per process and kind for ever. Here the master adds a dead worker's counters to a file
of pid 0 and removes its own; a lock keeps a scrape from seeing numbers twice or not at all meanwhile.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import error as StructError  # noqa: N812
from time import monotonic, sleep
from typing import Any

from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import mark_process_dead

from app.telemetry.logs import logger
from app.telemetry.numbers import Numbers

PATIENCE_S = 1.0
_KINDS = ("counter", "histogram")


def bury(folder: Path, pid: int) -> None:
    """A worker has ended: forget its gauges, keep its sums. Called by the master.

    Where there is no room for the sums its files stay, and are read as they are.
    """
    try:
        mark_process_dead(pid, str(folder))
        with _locked(folder, fcntl.LOCK_EX) as held:
            if held:
                for kind in _KINDS:
                    _fold(folder / f"{kind}_{pid}.db", folder / f"{kind}_0.db")
    except OSError as error:
        logger("sluice.metrics").warning("numbers_not_added_up", pid=pid, reason=str(error.strerror))


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Nothing is buried while this lasts."""
    with _locked(folder, fcntl.LOCK_SH):
        yield


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[bool]:
    """Whether the lock was had within ``PATIENCE_S``; a worker that stands still must not stop the master."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _taken(descriptor, kind)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, kind: int) -> bool:
    deadline = monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() > deadline:
                return False
            sleep(0.01)
        else:
            return True


def _fold(source: Path, target: Path) -> None:
    try:
        values = list(MmapedDict.read_all_values_from_file(str(source)))
    except FileNotFoundError:
        return
    except (StructError, RuntimeError, ValueError):
        values = []  # killed while it made the file: nothing was counted in it yet
    total: Any = Numbers(str(target))
    try:
        total.make_room(*(key for key, *_ in values))
        for key, value, timestamp, _ in values:
            total.write_value(key, total.read_value(key)[0] + value, timestamp)
    finally:
        total.close()
    source.unlink()
