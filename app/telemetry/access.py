"""The access log: one JSON line per request, written without the logging machinery.

A prediction takes some tens of microseconds; formatting a record through logging takes nearly as long. This writes
the same fields the chain in ``logs`` would, in one ``write`` so that lines of several threads never mix.
"""

import ctypes
import os
import select
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson

TAIL_BYTES = 1 << 18
"""How much of the log's end is searched for a line that a worker may have written as it died: some seconds' worth."""

PATIENCE_S = 0.05
"""How long a request waits for a log that takes nothing, such as a full pipe. After that, none does until it does."""

_write = ctypes.PyDLL(None, use_errno=True).write
"""``write`` that keeps the interpreter to itself. ``os.write`` lets another thread go first for as long as that one
likes, and a worker that is killed meanwhile has claimed a line it never wrote. Where there is room it takes 2 us."""
_write.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
_write.restype = ctypes.c_ssize_t


class Lines(Protocol):
    """Which requests have their line: a worker that died over this thread's may have written one."""

    def due(self, stands: Callable[[], bool]) -> bool:
        """Whether a line is to be written; ``stands`` looks for it, where a worker died at that very moment."""
        ...

    def written(self) -> None:
        """It stands now."""
        ...


class Answered(NamedTuple):
    """A request and how it ended: ``status`` in the protocol's words, ``client`` by address, ``caller`` by subject."""

    request_id: str
    method: str
    path: str
    status: int | str
    seconds: float
    client: str
    caller: str | None


_NO_FACTS: Mapping[str, Any] = {}


class AccessLog:
    """One line per request. A log that cannot be written never fails a request; ``lost`` is told instead."""

    def __init__(self, lines: Lines, lost: Callable[[], None], descriptor: int = 2) -> None:
        self._lines = lines
        self._lost = lost
        self._descriptor = descriptor
        self._may_be_full = _may_be_full(descriptor)
        self._patience = PATIENCE_S

    def write(self, request: Answered, facts: Mapping[str, Any] = _NO_FACTS) -> None:
        """The line of a request, with what is known of its prediction."""
        request_id, method, path, status, seconds, client, caller = request
        line = {
            "event": "request",
            "level": "info",
            "timestamp": datetime.now(UTC),
            "request_id": request_id,
            "method": method,
            "path": path,
            "status": status,
            "duration_ms": int(seconds * 1e6) / 1000,
            "client": client,
            "caller": caller,
            **facts,
        }
        text = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)
        if self._may_be_full and not self._has_room():
            self._lost()
            return
        if not self._lines.due(lambda: self._stands(request_id)):
            return
        if _write(self._descriptor, text, len(text)) != len(text):
            self._lost()
        self._lines.written()

    def _stands(self, request_id: str) -> bool:
        """Whether the end of the log holds this request's line; of a pipe nobody can tell, so a second one is written.

        Raises nothing: what cannot be read does not hold it.
        """
        if self._may_be_full:
            return False
        try:
            with Path(f"/proc/self/fd/{self._descriptor}").open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
                return f'"request_id":"{request_id}"'.encode() in log.read()
        except OSError:
            return False

    def _has_room(self) -> bool:
        room = bool(select.select((), (self._descriptor,), (), self._patience)[1])
        self._patience = PATIENCE_S if room else 0.0
        return room


def _may_be_full(descriptor: int) -> bool:
    """A pipe, a socket, a terminal; a file takes everything until its disk is full, and says so then."""
    try:
        return not stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        return False
