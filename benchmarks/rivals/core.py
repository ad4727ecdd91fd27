"""One core for each process of a rival whose server starts the processes: whoever comes first takes a free one."""

import fcntl
import os
from pathlib import Path

_held = []


def take_core() -> None:
    """Pin this process to a core that no other process of this server has; nowhere when all are taken."""
    folder = Path(os.environ["BENCH_CORES"])
    folder.mkdir(parents=True, exist_ok=True)
    for core in sorted(os.sched_getaffinity(0)):
        claim = (folder / f"core-{core}").open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()
            continue
        _held.append(claim)
        os.sched_setaffinity(0, {core})
        return
