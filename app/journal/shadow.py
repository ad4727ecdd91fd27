"""Copies of requests, answered by versions whose answers nobody sees.

One thread per worker takes them from a short queue, at low priority, and only while no request is being answered. What
does not fit, or has waited too long, is dropped and counted: a shadow is the first thing to go when there is much to
do, and never makes anybody wait. So a request does no more for its copy than to leave it: the thread comes by itself,
and takes what has gathered.
"""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from time import monotonic, perf_counter, sleep
from typing import Any, NamedTuple

from app import priority
from app.errors import InvalidInput, ModelFailed, ModelNotReady, VersionNotFound
from app.journal.outcomes import Outcomes, Subject
from app.journal.spare import InFlight, Load
from app.registry.registry import Registry
from app.registry.version import ServedVersion
from app.tensors import Instances, Request, row_count

MAX_COPIES = 256
MAX_ROWS = 4096
"""Most rows that may wait: a copy keeps its request's body in memory."""

PATIENCE_S = 0.1
"""How long a copy waits for time to spare before it is dropped."""

_GATHER_S = 0.02
_PAUSE_S = 0.002
_ROUNDS = 50
"""In vain, until the thread sleeps and has to be woken."""


class _Copy(NamedTuple):
    subject: Subject
    instances: Instances
    rows: int
    until: float


class Shadow:
    """The queue and the thread of one worker. ``drop`` is told of each copy that is not answered.

    The first copy starts the thread, from a request thread, and so on the core to which these are pinned. On another
    core each copy would take from their core's cache what both of them touch.
    """

    def __init__(self, registry: Registry, outcomes: Outcomes, log: Any, drop: Callable[[], None]) -> None:
        self._registry = registry
        self._outcomes = outcomes
        self._log = log
        self._drop = drop
        self._copies: deque[_Copy] = deque()
        self._rows = 0
        self._guard = Lock()
        self._awake = Event()
        self._started = False
        self.in_flight = InFlight()

    def offer(self, request: Request, versions: Sequence[str], generation: int) -> None:
        """Queue a copy for each version, or drop it."""
        rows, until = row_count(request.instances), monotonic() + PATIENCE_S
        for version in versions:
            subject = Subject(request.model, generation, version)
            if not self._queued(_Copy(subject, request.instances, rows, until)):
                self._drop()
        if not self._awake.is_set():
            self._wake()

    def _wake(self) -> None:
        with self._guard:
            if not self._started:
                self._started = True
                Thread(target=self._answer_forever, name="shadow", daemon=True).start()
        self._awake.set()

    def _queued(self, copy: _Copy) -> bool:
        with self._guard:
            if len(self._copies) >= MAX_COPIES or self._rows + copy.rows > MAX_ROWS:
                return False
            self._rows += copy.rows
            self._copies.append(copy)
        return True

    def _answer_forever(self) -> None:
        priority.give_way()
        load = Load()
        while True:
            self._awake.wait()
            in_vain = 0
            while in_vain < _ROUNDS:
                sleep(_GATHER_S)
                in_vain = 0 if self._copies else in_vain + 1
                self._work_off(load)
            self._awake.clear()
            if self._copies:  # left just before by somebody who saw it awake
                self._awake.set()

    def _work_off(self, load: Load) -> None:
        """Answer what waits, as far as there is time to spare; drop what waited for that too long."""
        while self._copies:
            if self._copies[0].until < monotonic():
                self._next()
                self._drop()
            elif load.high():
                return
            elif not self.in_flight.rests():
                sleep(_PAUSE_S)
            else:
                self._answer(self._next())

    def _next(self) -> _Copy:
        with self._guard:
            copy = self._copies.popleft()
            self._rows -= copy.rows
        return copy

    def _answer(self, copy: _Copy) -> None:
        subject = copy.subject
        try:
            self._run(self._registry.version(subject.model, subject.version), subject, copy.instances)
        except (VersionNotFound, ModelNotReady):
            return
        except Exception as error:  # noqa: BLE001 - a copy that goes wrong must not end the thread
            self._log.error("shadow_failed", model=subject.model, version=subject.version, error=repr(error))

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
