"""Where key records lie: a file (embedded), or Redis (``redis.py``)."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from app.gateway.api_keys import ApiKey
from app.state.files import write_whole


class KeyStore(Protocol):
    """Records by id."""

    def read(self) -> dict[str, ApiKey]:
        """Every record.

        Raises:
            OSError, StateUnavailable: the store cannot be read now.
        """
        ...

    def write(self, *records: ApiKey) -> None:
        """Add or replace records, all or none.

        Raises:
            OSError, StateUnavailable
        """
        ...

    def version(self) -> object:
        """Something that differs after every write, cheap to ask.

        Raises:
            OSError, StateUnavailable
        """
        ...


class FileKeyStore:
    """One JSON file, readable by its owner only, replaced whole by rename; writers take turns on a lock file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, ApiKey]:
        """See ``KeyStore.read``."""
        try:
            rows = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        return {row["id"]: record_from(row) for row in rows}

    def write(self, *records: ApiKey) -> None:
        """See ``KeyStore.write``."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            held = self.read() | {record.id: record for record in records}
            data = json.dumps([asdict(record) for record in held.values()], indent=1).encode()
            write_whole(self._path, data)

    def version(self) -> object:
        """See ``KeyStore.version``."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def record_from(row: Mapping[str, Any]) -> ApiKey:
    """A record from its JSON."""
    lists = {name: tuple(row[name]) for name in ("models", "quotas") if row.get(name) is not None}
    return ApiKey(**{**row, **lists})
