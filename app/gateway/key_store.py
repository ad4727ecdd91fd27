"""Where key records lie: a file (embedded), or Redis (``redis.py``)."""

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, Protocol

from app.gateway.api_keys import ApiKey
from app.state.files import write_whole

_TEXT, _MOMENT, _TEXTS = (str,), (int, float, NoneType), (list, NoneType)
_KINDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "name", "role", "digest"), _TEXT),
    **dict.fromkeys(("created", "expires", "revoked"), _MOMENT),
    **dict.fromkeys(("models", "quotas"), _TEXTS),
    "replaced_by": (str, NoneType),
}
"""What may stand in the fields of a record."""


class Holdings(NamedTuple):
    """What a store holds: records by id, and how many entries there are that are none."""

    records: dict[str, ApiKey]
    damaged: int = 0


class KeyStore(Protocol):
    """Records by id."""

    def read(self) -> Holdings:
        """Every record. One that is damaged is nobody's key, and takes none of the others with it.

        Raises:
            OSError, StateUnavailable, ValueError: the store cannot be read now.
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

    def read(self) -> Holdings:
        """See ``KeyStore.read``."""
        return holdings(self._rows())

    def write(self, *records: ApiKey) -> None:
        """See ``KeyStore.write``."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            replaced = {record.id for record in records}
            kept = [row for row in self._rows() if not (isinstance(row, dict) and row.get("id") in replaced)]
            rows = [*kept, *(asdict(record) for record in records)]
            write_whole(self._path, json.dumps(rows, indent=1).encode())

    def version(self) -> object:
        """See ``KeyStore.version``."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    def _rows(self) -> list[Any]:
        try:
            rows = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return []
        if not isinstance(rows, list):
            raise ValueError(f"{self._path.name} holds no list")
        return rows

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def holdings(rows: Iterable[Any]) -> Holdings:
    """The records among what was read from JSON."""
    records: dict[str, ApiKey] = {}
    damaged = 0
    for row in rows:
        try:
            record = _record(row)
        except (TypeError, ValueError):
            damaged += 1
        else:
            records[record.id] = record
    return Holdings(records, damaged)


def _record(row: Any) -> ApiKey:
    """What it does not say has its default; what we do not know might restrict the key, so we do not guess.

    Raises:
        TypeError, ValueError
    """
    if not isinstance(row, dict) or not all(isinstance(value, _KINDS.get(name, ())) for name, value in row.items()):
        raise ValueError("not a record")
    lists = {name: tuple(row[name]) for name in ("models", "quotas") if row.get(name) is not None}
    if not all(isinstance(text, str) for texts in lists.values() for text in texts):
        raise ValueError("not a record")
    return ApiKey(**row | lists)
