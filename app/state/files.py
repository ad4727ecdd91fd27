"""Documents in a folder: what the embedded default must not forget at a restart.

A file lock makes compare-and-swap one step for every worker on this machine, so several of them agree even without
Redis.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.state.base import Document, StateUnavailable


class DocumentFiles:
    """One JSON file for each kind, replaced whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, kind: str) -> dict[str, Document]:
        """See ``State.documents``."""
        try:
            rows = json.loads(self._path(kind).read_bytes())
            return {name: Document(row["generation"], row["text"]) for name, row in rows.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{kind}.json in SLUICE_DATA_DIR cannot be read; mend or delete it: {error}"
            raise StateUnavailable(reason) from None

    def swap(self, kind: str, name: str, generation: int, text: str) -> Document | None:
        """See ``State.swap``."""
        document = Document(generation + 1, text)
        return document if self._put(kind, name, document, lambda held: held == generation) else None

    def restore(self, kind: str, name: str, document: Document) -> bool:
        """See ``State.restore``."""
        return self._put(kind, name, document, lambda held: held < document.generation)

    def _put(self, kind: str, name: str, document: Document, allowed: Callable[[int], bool]) -> bool:
        """Write over a generation (0: none) that is allowed to be written over."""
        try:
            with self._locked(kind):
                held = self.read(kind)
                if not allowed(held[name].generation if name in held else 0):
                    return False
                held[name] = document
                rows = {key: {"generation": item.generation, "text": item.text} for key, item in held.items()}
                write_whole(self._path(kind), json.dumps(rows, indent=1).encode())
                return True
        except OSError as error:
            raise StateUnavailable(f"{kind}: {error.strerror}") from None

    def _path(self, kind: str) -> Path:
        return self._folder / f"{kind}.json"

    @contextmanager
    def _locked(self, kind: str) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f".{kind}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def write_whole(path: Path, data: bytes) -> None:
    """Temporary file, sync, rename: a reader sees the old text or the new, never half of one."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
