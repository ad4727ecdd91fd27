"""Weights that all workers of a machine share: large models laid out once as onnxruntime maps them into memory.

A session that is made from bytes keeps its weights to itself, twice: as they came, and packed for the processor. Here
the first session of a model writes both to a file, and every later one maps that file, so the kernel holds it once and
a second worker costs next to nothing; packed as before, so it is no slower.

The file is written by this server, from bytes that were verified, into a folder that nobody else may write to, and is
compared with its digest before each use: see docs/decisions/0015-weights-are-mapped.md.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time
from typing import Any

import orjson

MODEL = "model.onnx"
WEIGHTS = "weights.bin"
_DIGESTS = "digests.json"
_WORTH_IT = 0.5
"""Of the model's size, what has to be weights: a forest of trees has none that could be mapped."""
_KEPT_S = 7 * 86_400.0
_PIECE = 1 << 20

Write = Callable[[Path], None]
"""Lays a model out in a folder as ``MODEL`` and ``WEIGHTS``."""


class Layouts:
    """Laid-out models under ``folder``, of ``least_bytes`` or more. ``engine`` names the version that can read them.

    Whatever goes wrong here costs memory and never an answer: the caller is told that there is no file.
    """

    def __init__(self, folder: Path, least_bytes: int, engine: str, log: Any) -> None:
        self._folder = folder
        self._least = least_bytes
        self._made_for = f"1 {engine} {platform.machine()} {_processor()}"
        self._log = log

    def place(self, model: bytes, external: Mapping[str, bytes], write: Write, digest: str = "") -> Path | None:
        """The file to make a session from; None when the session is to be made from the bytes.

        ``digest`` is that of all the bytes, where the caller has computed it: for a large model that takes a while.
        """
        size = len(model) + sum(map(len, external.values()))
        if not self._least or size < self._least:
            return None
        try:
            return self._found(self._folder / self._key(digest or _digest_of(model, external)), size, write)
        except Exception as error:  # noqa: BLE001 - a full disk, a folder that is not ours, a model that is not written
            self._log.warning("weights_not_shared", reason=str(error)[:200], effect="each worker has its own copy")
            return None

    def _found(self, entry: Path, size: int, write: Write) -> Path | None:
        with self._alone():
            if not _is_sound(entry):
                shutil.rmtree(entry, ignore_errors=True)
                self._sweep()
                self._make(entry, size, write)
        os.utime(entry)
        return entry / MODEL if (entry / MODEL).exists() else None

    def _make(self, entry: Path, size: int, write: Write) -> None:
        """Beside, then whole by one rename. Without anything worth mapping only that is remembered."""
        staging = Path(tempfile.mkdtemp(prefix=".making-", dir=self._folder))
        try:
            write(staging)
            if _size(staging / WEIGHTS) < _WORTH_IT * size:
                for name in (MODEL, WEIGHTS):
                    (staging / name).unlink(missing_ok=True)
            digests = {file.name: _digest(file) for file in sorted(staging.iterdir())}
            (staging / _DIGESTS).write_bytes(orjson.dumps(digests))
            staging.rename(entry)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time makes or judges: the others would only write the same again."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = self._folder.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise PermissionError(f"{self._folder} can be written to by others")
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _sweep(self) -> None:
        """Forget what nobody has loaded for a week, and what a process that was killed left unfinished."""
        for entry in self._folder.iterdir():
            with suppress(OSError):
                if entry.is_dir() and (entry.name.startswith(".") or time() - entry.stat().st_mtime > _KEPT_S):
                    shutil.rmtree(entry)

    def _key(self, digest: str) -> str:
        return hashlib.sha256(f"{self._made_for} {digest}".encode()).hexdigest()[:40]


def _digest_of(model: bytes, external: Mapping[str, bytes]) -> str:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in {"": model, **external}.items()}
    return repr(sorted(digests.items()))


def _is_sound(entry: Path) -> bool:
    try:
        digests = orjson.loads((entry / _DIGESTS).read_bytes())
        return bool(all(_digest(entry / name) == digest for name, digest in digests.items()))
    except (OSError, ValueError, AttributeError):
        return False


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as data:
        while piece := data.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _processor() -> str:
    """What the processor can do, on which the packing depends."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return hashlib.sha256(line.encode()).hexdigest()[:16]
    return platform.processor()
