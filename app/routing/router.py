"""Chooses the version of every request from the plan in force, kept in memory and looked at once a second.

The path of a request never asks shared state. While it is away, the last plan stays in force.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock, Thread
from time import sleep
from typing import Any

from app.routing.plan import Traffic, parse_traffic
from app.routing.policies import point_of, random_point, version_at
from app.state.base import Document, State, StateUnavailable
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
    traffic: Traffic
    order: tuple[str, ...]
    stable: Mapping[str, str]


class Router:
    """The plans of all models, as this worker knows them."""

    def __init__(self, state: State, log: Any) -> None:
        self._state = state
        self._log = log
        self._documents: dict[str, Document] = {}
        self._plans: dict[str, _Compiled] = {}
        self._started = False
        self._guard = Lock()

    def start(self) -> None:
        """Read the plans now and keep reading, once per worker."""
        with self._guard:
            if self._started:
                return
            self._started = True
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
        return header(plan.header) if plan.unit == "header" else None

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
            if (rollout := compiled.traffic.rollout) and rollout.state == "running"
        ]

    def refresh(self) -> None:
        """Look at the plans. A plan that is gone (a flushed store) or unreadable stays in force as it was."""
        try:
            documents = self._state.documents(KIND)
        except StateUnavailable as error:
            self._log.debug("plans_unreadable", reason=str(error))
            return
        for model, document in documents.items():
            if self._documents.get(model) != document:
                self._adopt(model, document)

    def _adopt(self, model: str, document: Document) -> None:
        self._documents[model] = document
        try:
            traffic = parse_traffic(document.text, document.generation)
        except (ValueError, KeyError, TypeError) as error:
            self._log.error("plan_unreadable", model=model, generation=document.generation, reason=str(error)[:200])
            return
        self._plans = self._plans | {model: _compile(traffic)}
        self._log.info("plan_in_force", model=model, generation=document.generation, weights=traffic.plan.weights)

    def _refresh_forever(self) -> None:
        while True:
            sleep(REFRESH_S)
            self.refresh()


def _compile(traffic: Traffic) -> _Compiled:
    rollout = traffic.rollout
    stable = {rollout.canary: rollout.stable} if rollout and rollout.state == "running" else {}
    return _Compiled(traffic, tuple(sorted(traffic.plan.weights)), stable)
