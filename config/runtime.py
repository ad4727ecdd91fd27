"""The folder in memory that one gunicorn master and its workers share while they run.

It must be named in the environment before prometheus_client is imported, which is why this imports nothing of ours.
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import MutableMapping
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_PREFIX = "sluice-"
_OWNER = "owner"
ROOM_BYTES = 32 << 20
"""A folder in memory with less is left alone: 4 MiB for a server and 1 MiB for each worker are taken at the start."""

_YOUNG_S = 60.0
"""A folder this young may belong to a server that is just starting."""


def open_runtime_folder(environ: MutableMapping[str, str]) -> Path:
    """Make the folder and name it in the environment; those of servers that were killed are removed.

    What the environment names already is where to make it. After a reload it names the one that was made at the start.

    Raises:
        SystemExit: it cannot be made there.
    """
    chosen = environ.get(VARIABLE, "").strip()
    if _is_ours(Path(chosen)):
        return Path(chosen)
    base = Path(chosen) if chosen else _memory()
    try:
        base.mkdir(parents=True, exist_ok=True)
        _remove_orphans(base)
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=base))
    except OSError as error:
        raise SystemExit(f"sluice: cannot make a folder in {base} ({error.strerror}); set {VARIABLE}") from None
    _lock(folder)
    environ[VARIABLE] = str(folder)
    return folder


def close_runtime_folder(folder: Path) -> None:
    """Remove the folder if this process made it."""
    if _is_ours(folder):
        shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    return folder.name.startswith(f"{_PREFIX}{os.getpid()}-")


def _memory(memory: Path = Path("/dev/shm")) -> Path:  # noqa: S108 - mkdtemp picks the name inside
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= ROOM_BYTES
    try:
        return memory if roomy else Path(tempfile.gettempdir())
    except FileNotFoundError:  # nothing else can be written to
        return memory


def _remove_orphans(base: Path) -> None:
    for folder in base.glob(f"{_PREFIX}*-*"):
        try:
            status = folder.lstat()
        except OSError:
            continue
        old = time.time() - status.st_mtime > _YOUNG_S
        if old and stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and _lock(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path) -> bool:
    """Whether nobody owned the folder. The kernel drops the lock when the last process of its owner has ended.

    Anybody may make a folder of such a name in /dev/shm: a link in it is not followed to where it points.
    """
    try:
        descriptor = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
