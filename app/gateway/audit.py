"""The audit log: who did what to what, when, from where, with what result. One JSON line each, to a sink of its own.

A line is written before the answer leaves. A sink that cannot be written costs no answer; the line then goes to
stderr, and the gauge says so until the sink takes lines again.
"""

import atexit
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from app.gateway.addresses import household
from app.gateway.denials import Denials, Denied

_MAX_TEXT = 200


class AuditLog:
    """Appends whole lines; every worker has its own descriptor on the same file. No path means stderr."""

    def __init__(self, path: Path | None) -> None:
        self._path = path or Path("/dev/stderr")
        self._descriptor: int | None = 2 if path is None else None
        self._owned = path is not None
        self._guard = Lock()
        self._healthy = True
        self._denials = Denials(self._tell_repeated)
        atexit.register(self._denials.flush)

    def record(self, action: str, result: str, subject: str, address: str, **facts: Any) -> None:
        """One event: ``result`` is allowed, denied or failed; ``facts`` say what it was done to.

        Denials that repeat another of the same second are counted instead: see ``Denials``.
        """
        if result == "denied":
            denied = Denied(action, _clip(subject), household(address), str(facts.get("reason")))
            if not self._denials.note(denied):
                return
        self._append(action, result, subject, address, facts)

    def _tell_repeated(self, denied: Denied, repeated: int) -> None:
        facts = {"reason": denied.reason, "repeated": repeated}
        self._append(denied.action, "denied", denied.subject, denied.address, facts)

    def _append(self, action: str, result: str, subject: str, address: str, facts: Mapping[str, Any]) -> None:
        line = {
            "timestamp": datetime.now(UTC),
            "event": "audit",
            "action": action,
            "result": result,
            "subject": _clip(subject),
            "address": _clip(address),
            **{name: _clip(value) for name, value in facts.items() if value is not None},
        }
        self._write(orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))

    def health(self) -> str:
        """``up``, or ``down`` while lines go to stderr instead."""
        return "up" if self._healthy else "down"

    def _write(self, line: bytes) -> None:
        try:
            self._healthy = os.write(self._opened(), line) == len(line)
        except OSError:
            self._healthy = False
        if not self._healthy:
            self._close()
            _to_stderr(line)

    def _opened(self) -> int:
        with self._guard:
            if self._descriptor is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            return self._descriptor

    def _close(self) -> None:
        with self._guard:
            if self._owned and self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None


def _to_stderr(line: bytes) -> None:
    try:
        os.write(2, line)
    except OSError:
        return


def _clip(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _MAX_TEXT else value[: _MAX_TEXT - 3] + "..."
    return {name: _clip(inner) for name, inner in value.items()} if isinstance(value, Mapping) else value
