"""Copies of requests, answered by versions whose answers nobody sees.

One thread per worker takes them from a short queue, at low priority, and only while no request is being answered. What
does not fit is dropped and counted: a shadow is the first thing to go when there is much to do, and never makes anybody
wait.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from time import monotonic, perf_counter, sleep
from typing import Any

from app import priority
from app.errors import InvalidInput, ModelFailed, ModelNotReady, VersionNotFound
from app.journal.outcomes import Outcomes, Subject
from app.registry.registry import Registry
from app.registry.version import ServedVersion
from app.tensors import Instances, Request, row_count

MAX_COPIES = 256
MAX_ROWS = 4096
"""Most rows that may wait: a copy keeps its request's body in memory."""

PATIENCE_S = 0.05
"""How long a copy waits for a moment without requests before it is dropped."""

_PAUSE_S = 0.001


class InFlight:
    """How many requests are being answered, cheap enough to be kept for each: both deque operations are atomic."""

    __slots__ = ("_marks",)

    def __init__(self) -> None:
        self._marks: deque[None] = deque()

    def __enter__(self) -> None:
        self._marks.append(None)

    def __exit__(self, *_: object) -> None:
        self._marks.pop()

    def __bool__(self) -> bool:
        return bool(self._marks)


class Shadow:
    """The queue and the thread of one worker. ``drop`` is told of each copy that is not answered."""

    def __init__(self, registry: Registry, outcomes: Outcomes, log: Any, drop: Callable[[], None]) -> None:
        self._registry = registry
        self._outcomes = outcomes
        self._log = log
        self._drop = drop
        self._copies: deque[tuple[Subject, Instances]] = deque()
        self._rows = 0
        self._guard = Lock()
        self._waiting = Event()
        self._started = False
        self.in_flight = InFlight()

    def start(self) -> None:
        """Start answering, once per worker."""
        with self._guard:
            if self._started:
                return
            self._started = True
        Thread(target=self._answer_forever, name="shadow", daemon=True).start()

    def offer(self, request: Request, versions: Sequence[str], generation: int) -> None:
        """Queue a copy for each version, or drop it."""
        rows = row_count(request.instances)
        for version in versions:
            if not self._queued(Subject(request.model, generation, version), request.instances, rows):
                self._drop()
        self._waiting.set()

    def _queued(self, subject: Subject, instances: Instances, rows: int) -> bool:
        with self._guard:
            if len(self._copies) >= MAX_COPIES or self._rows + rows > MAX_ROWS:
                return False
            self._rows += rows
            self._copies.append((subject, instances))
        return True

    def _answer_forever(self) -> None:
        priority.give_way()
        while True:
            self._waiting.wait()
            self._waiting.clear()
            while self._copies:
                subject, instances = self._next()
                try:
                    self._answer(subject, instances)
                except Exception as error:  # noqa: BLE001 - a copy that goes wrong must not end the thread
                    self._log.error("shadow_failed", model=subject.model, version=subject.version, error=repr(error))

    def _next(self) -> tuple[Subject, Instances]:
        with self._guard:
            subject, instances = self._copies.popleft()
            self._rows -= row_count(instances)
        return subject, instances

    def _answer(self, subject: Subject, instances: Instances) -> None:
        if not self._quiet():
            self._drop()
            return
        with suppress(VersionNotFound, ModelNotReady):
            self._run(self._registry.version(subject.model, subject.version), subject, instances)

    def _run(self, version: ServedVersion, subject: Subject, instances: Instances) -> None:
        """The cache is left alone: a copy neither fills it nor profits from it."""
        started = perf_counter()
        try:
            feed, _ = version.encoder.encode(instances)
            outputs = version.run(feed)
            seconds = perf_counter() - started
            answers = version.interpreter.rows(outputs, instances.path)
        except (InvalidInput, ModelFailed):
            self._outcomes.failed(subject)
        else:
            self._outcomes.answered(subject, seconds, answers)

    def _quiet(self) -> bool:
        """Wait a little for a moment in which no request is being answered; whether there was one."""
        end = monotonic() + PATIENCE_S
        while self.in_flight:
            if monotonic() > end:
                return False
            sleep(_PAUSE_S)
        return True
