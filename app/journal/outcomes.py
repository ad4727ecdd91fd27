"""What each version of a model did under the traffic plan in force: errors, latency, and how its predictions spread.

Only requests that the plan dealt are counted: whoever names a version is no fair sample. Counts are kept here and
delivered to shared state once a second, one table per plan generation, so that a step of a rollout starts from nothing
and every worker and machine adds to the same sums. Where versions have units of their own, they are counted by group of
units as well: those are many, so each worker writes its own down as one record.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from os import getpid
from socket import gethostname
from threading import Lock, Thread
from time import sleep
from typing import Any, NamedTuple
from uuid import uuid4

from app.routing.evidence import bins_of, group_table, latency_bin, table
from app.state.base import State, StateUnavailable

PUBLISH_S = 1.0
MAX_ROWS_BINNED = 64


class Subject(NamedTuple):
    """The version that a count is about, under which generation of its model's plan; the group of the unit, if any."""

    model: str
    generation: int
    version: str
    group: int | None = None


class _Groups:
    """What this worker counted of a model by version and group, from the begin of a generation on."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.counts: dict[str, dict[str, float]] = {}
        self.told = False


class Outcomes:
    """Counters of one worker. Thread-safe."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._name = f"{gethostname()}:{uuid4().hex[:8]}"
        self._counts: dict[Subject, dict[str, float]] = {}
        self._sums: dict[str, dict[str, float]] = {}
        self._groups: dict[str, _Groups] = {}
        self._publishing = Lock()
        self._lock = Lock()
        self._started = False

    def start(self) -> None:
        """Start delivering, once per worker."""
        with self._lock:
            if self._started:
                return
            self._started = True
        Thread(target=self._publish_forever, name="outcomes", daemon=True).start()

    def answered(self, subject: Subject, seconds: float | None, answers: Sequence[Mapping[str, Any]]) -> None:
        """A request that was answered; ``answers`` is what ``Prediction.answers`` says of its rows.

        ``seconds`` None: nothing was computed, so that there is no latency to speak of.
        """
        fields = ["ok"] if seconds is None else ["ok", f"t{latency_bin(seconds)}"]
        fields += [bin_ for answer in islice(answers, MAX_ROWS_BINNED) for bin_ in bins_of(answer)]
        self._count(subject, fields)

    def failed(self, subject: Subject) -> None:
        """A request that the version could not answer through a fault of its own."""
        self._count(subject, ["errors"])

    def publish(self) -> None:
        """Deliver what was counted; what cannot be delivered is kept for the next time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        with self._publishing:
            for subject, fields in counts.items():
                self._sum(subject, fields)
            for name in list(self._sums):
                with suppress(StateUnavailable):
                    self._state.add(name, self._sums[name])
                    del self._sums[name]
            for model, groups in self._groups.items():
                with suppress(StateUnavailable):
                    self._tell(model, groups)

    def _tell(self, model: str, groups: _Groups) -> None:
        if groups.told:
            return
        record = json.dumps(groups.counts, separators=(",", ":")).encode()
        self._state.put(group_table(model, groups.generation), {f"{self._name}:{getpid()}": record})
        groups.told = True

    def _count(self, subject: Subject, fields: Sequence[str]) -> None:
        with self._lock:
            counts = self._counts.setdefault(subject, {})
            for field in fields:
                counts[field] = counts.get(field, 0) + 1

    def _sum(self, subject: Subject, fields: Mapping[str, float]) -> None:
        sums = self._sums.setdefault(table(subject.model, subject.generation), {})
        _add(sums, {f"{subject.version}|{field}": amount for field, amount in fields.items()})
        groups = self._groups_of(subject)
        if groups is not None:
            _add(groups.counts.setdefault(f"{subject.version}|{subject.group}", {}), fields)
            groups.told = False

    def _groups_of(self, subject: Subject) -> _Groups | None:
        """Those of one generation at a time: what still comes of the one before is judged no more."""
        if subject.group is None:
            return None
        held = self._groups.get(subject.model)
        if held is None or held.generation < subject.generation:
            held = self._groups[subject.model] = _Groups(subject.generation)
        return held if held.generation == subject.generation else None

    def _publish_forever(self) -> None:
        while True:
            sleep(PUBLISH_S)
            with suppress(Exception):
                self.publish()


def _add(sums: dict[str, float], more: Mapping[str, float]) -> None:
    for field, amount in more.items():
        sums[field] = sums.get(field, 0) + amount
