"""The access log: one JSON line per request, written without the logging machinery.

A prediction takes some tens of microseconds; formatting a record through logging takes nearly as long. This writes
the same fields the chain in ``logs`` would, in one ``write`` so that lines of several threads never mix. What a line
has in common with many others is rendered once and remembered.
"""

import os
from collections.abc import Callable
from pathlib import Path
from time import gmtime, strftime, time
from typing import NamedTuple, Protocol

import orjson

from app import passage
from app.telemetry.metrics import NO_FACTS, Facts
from app.telemetry.outlet import Outlet

TAIL_BYTES = 1 << 18
"""How much of the log's end is searched for a line that a worker may have written as it died: some seconds' worth."""

_REMEMBERED = 2048
_LONGEST = 1024
"""Bytes that are worth remembering; with a longer path a line is rendered each time."""


class Lines(Protocol):
    """Which requests have their line: a worker that died over this thread's may have written one."""

    def due(self, stands: Callable[[], bool]) -> bool:
        """Whether a line is to be written; ``stands`` looks for it, where a worker died at that very moment."""
        ...

    def written(self) -> None:
        """It stands now."""
        ...


class Answered(NamedTuple):
    """Of a request what others have too: ``status`` in its protocol's words, ``caller`` by subject."""

    method: str
    path: str
    status: int | str
    client: str
    caller: str | None
    facts: Facts = NO_FACTS


class AccessLog:
    """One line per request. A log that cannot be written never fails a request; ``lost`` is told instead."""

    def __init__(self, lines: Lines, lost: Callable[[], None], descriptor: int = 2) -> None:
        self._lines = lines
        self._lost = lost
        self._descriptor = descriptor
        self._outlet = Outlet(descriptor)
        self._known: dict[Answered, bytes] = {}
        self._second = (0, "")

    def write(self, request_id: str, seconds: float, request: Answered) -> None:
        """The line of a request; its id holds nothing that JSON would have to escape."""
        line = self._line(request_id, int(seconds * 1e6), self._known.get(request) or self._render(request))
        if passage.current() is not None:
            self._write_once(request_id, line)
        elif not self._outlet.offer(line):
            self._lost()

    def _line(self, request_id: str, microseconds: int, rest: bytes) -> bytes:
        now = time()
        second, text = self._second
        if second != int(now):
            second, text = self._second = int(now), strftime("%Y-%m-%dT%H:%M:%S", gmtime(now))
        return (
            f'{{"event":"request","level":"info","timestamp":"{text}.{int((now - second) * 1e6):06d}Z",'
            f'"request_id":"{request_id}","duration_ms":{microseconds // 1000}.{microseconds % 1000:03d},'
        ).encode() + rest

    def _render(self, request: Answered) -> bytes:
        """The rest of the line, from the method on; what is not known of a prediction is left out."""
        *plain, facts = request
        told = dict(zip(Answered._fields, plain, strict=False)) | {
            name: value for name, value in facts._asdict().items() if value
        }
        rest = orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)[1:]
        if len(rest) <= _LONGEST:
            if len(self._known) >= _REMEMBERED:
                self._known = {}
            self._known[request] = rest
        return rest

    def _write_once(self, request_id: str, line: bytes) -> None:
        """A line that a worker which died over this request may have written already."""
        if not self._outlet.has_room():
            self._lost()
            return
        if not self._lines.due(lambda: self._stands(request_id)):
            return
        if not self._outlet.put(line):
            self._lost()
        self._lines.written()

    def _stands(self, request_id: str) -> bool:
        """Whether the end of the log holds this request's line; of a pipe nobody can tell, so a second one is written.

        Raises nothing: what cannot be read does not hold it.
        """
        if self._outlet.may_be_full:
            return False
        try:
            with Path(f"/proc/self/fd/{self._descriptor}").open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
                return f'"request_id":"{request_id}"'.encode() in log.read()
        except OSError:
            return False
