"""Chooses the version of every request from the plan in force, kept in memory and looked at once a second.

The path of a request never asks shared state. While it is away, the last plan stays in force; when it comes back with
less than this worker knows (a Redis that kept nothing on disk), the worker gives it back what was lost. A worker that
starts meanwhile goes by what this machine knew last: the newest version is not to answer because Redis is away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock, Thread
from time import sleep
from typing import Any

from app.routing.plan import Traffic, parse_traffic
from app.routing.policies import point_of, random_point, version_at
from app.state.base import Document, State, StateUnavailable
from app.state.files import DocumentFiles
from app.tensors import Reason

KIND = "traffic"
REFRESH_S = 1.0

Ask = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Route:
    """The version to run, why, and the versions to shadow. ``version`` None: the model's default.

    ``generation`` is that of the plan that dealt the request, 0 where none did. ``stable`` answers instead when a
    canary on trial fails.
    """

    version: str | None
    reason: Reason
    variant: str | None = None
    shadows: tuple[str, ...] = ()
    generation: int = 0
    stable: str | None = None


DEFAULT = Route(None, "default")


@dataclass(frozen=True, slots=True)
class _Compiled:
    document: Document
    traffic: Traffic
    order: tuple[str, ...]
    stable: Mapping[str, str]


class Router:
    """The plans of all models, as this worker knows them."""

    def __init__(self, state: State, log: Any, kept: DocumentFiles | None = None) -> None:
        self._state = state
        self._log = log
        self._kept = kept
        self._documents: dict[str, Document] = {}
        self._plans: dict[str, _Compiled] = {}
        self._started = False
        self._guard = Lock()
        self._refreshing = Lock()

    def start(self) -> None:
        """Read the plans now and keep reading, once per worker."""
        with self._guard:
            if self._started:
                return
            self._started = True
        self.recall()
        self.refresh()
        Thread(target=self._refresh_forever, name="router", daemon=True).start()

    def unit(self, model: str, entity: Ask, header: Callable[[str], str | None]) -> str | None:
        """What a request sticks to a version by: asked for only where the model's plan wants to know."""
        compiled = self._plans.get(model)
        if compiled is None:
            return None
        plan = compiled.traffic.plan
        if plan.unit == "entity":
            return entity()
        return header(plan.header.lower()) if plan.unit == "header" else None

    def choose(self, model: str, unit: str | None, pinned: str | None) -> Route:
        """The route of a request; ``pinned`` is a version the caller asked for."""
        if pinned is not None:
            return Route(pinned, "explicit")
        compiled = self._plans.get(model)
        if compiled is None:
            return DEFAULT
        plan = compiled.traffic.plan
        point = random_point() if unit is None else point_of(plan.salt, unit)
        version = version_at(point, plan.weights, compiled.order)
        shadows = tuple(name for name, share in plan.shadow.items() if random_point() < share) if plan.shadow else ()
        return Route(
            version,
            "weight" if unit is None else "sticky",
            plan.variants.get(version),
            shadows,
            compiled.traffic.generation,
            compiled.stable.get(version),
        )

    def traffic(self, model: str) -> Traffic | None:
        """The plan in force, None for a model whose default version answers everything."""
        compiled = self._plans.get(model)
        return None if compiled is None else compiled.traffic

    def on_trial(self) -> Sequence[str]:
        """Models with a rollout that is under way."""
        return [
            model
            for model, compiled in self._plans.items()
            if (rollout := compiled.traffic.rollout) and rollout.running
        ]

    def lost(self, model: str, found: Document | None) -> bool:
        """Whether shared state knows less of a model's plan than this worker."""
        compiled = self._plans.get(model)
        return compiled is not None and (found is None or found.generation < compiled.document.generation)

    def refresh(self) -> None:
        """Look at the plans: adopt what is new, give back what was lost. What is unreadable changes nothing."""
        with self._refreshing:
            try:
                documents = self._state.documents(KIND)
                for model in [model for model in self._plans if self.lost(model, documents.get(model))]:
                    self._restore(model)
            except StateUnavailable as error:
                self._log.debug("plans_unreadable", reason=str(error))
                return
            for model, document in documents.items():
                if self._documents.get(model) != document and not self.lost(model, document):
                    self._adopt(model, document)

    def recall(self) -> None:
        """Adopt what this machine knew last; what shared state knows comes over it."""
        if self._kept is None:
            return
        try:
            for model, document in self._kept.read(KIND).items():
                self._adopt(model, document)
        except StateUnavailable as error:
            self._log.warning("plans_forgotten", reason=str(error))

    def _keep(self, model: str, document: Document) -> None:
        if self._kept is None:
            return
        try:
            self._kept.restore(KIND, model, document)
        except StateUnavailable as error:
            self._log.warning("plan_not_kept", model=model, reason=str(error))

    def _restore(self, model: str) -> None:
        document = self._plans[model].document
        if self._state.restore(KIND, model, document):
            self._log.warning("plan_restored", model=model, generation=document.generation)

    def _adopt(self, model: str, document: Document) -> None:
        self._documents[model] = document
        try:
            traffic = parse_traffic(document.text, document.generation)
        except (ValueError, KeyError, TypeError) as error:
            self._log.error("plan_unreadable", model=model, generation=document.generation, reason=str(error)[:200])
            return
        self._plans = self._plans | {model: _compile(document, traffic)}
        self._keep(model, document)
        self._log.info("plan_in_force", model=model, generation=document.generation, weights=traffic.plan.weights)

    def _refresh_forever(self) -> None:
        while True:
            sleep(REFRESH_S)
            self.refresh()


def _compile(document: Document, traffic: Traffic) -> _Compiled:
    rollout = traffic.rollout
    stable = {rollout.canary: rollout.stable} if rollout and rollout.running else {}
    return _Compiled(document, traffic, tuple(sorted(traffic.plan.weights)), stable)
