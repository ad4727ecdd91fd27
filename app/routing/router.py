"""Chooses the version of every request from the plan in force, kept in memory and looked at once a second.

The path of a request never asks shared state. While it is away, the last plan stays in force.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock, Thread
from time import sleep
from typing import Any, Literal

from app.routing.plan import Traffic, parse_traffic
from app.routing.policies import point_of, random_point, version_at
from app.state.base import Document, State, StateUnavailable

KIND = "traffic"
REFRESH_S = 1.0

Reason = Literal["default", "explicit", "override", "sticky", "weight"]


@dataclass(frozen=True, slots=True)
class Route:
    """The version to run, why, and the versions to shadow. ``version`` None: the model's default."""

    version: str | None
    reason: Reason
    variant: str | None = None
    shadows: tuple[str, ...] = ()


DEFAULT = Route(None, "default")


@dataclass(frozen=True, slots=True)
class _Compiled:
    traffic: Traffic
    order: tuple[str, ...]
    names: Mapping[str, str]


class Router:
    """The plans of all models, as this worker knows them."""

    def __init__(self, state: State, log: Any, on_change: Callable[[], None] = lambda: None) -> None:
        self._state = state
        self._log = log
        self._on_change = on_change
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

    def choose(self, model: str, unit: str | None, pinned: str | None) -> Route:
        """The route of a request; ``pinned`` is a version the caller asked for in its address."""
        if pinned is not None:
            return Route(pinned, "explicit")
        compiled = self._plans.get(model)
        if compiled is None:
            return DEFAULT
        plan = compiled.traffic.plan
        sticky = unit is not None and plan.unit != "request"
        point = point_of(plan.salt, unit) if unit is not None and sticky else random_point()
        version = version_at(point, plan.weights, compiled.order)
        shadows = tuple(name for name, share in plan.shadow.items() if random_point() < share) if plan.shadow else ()
        return Route(version, "sticky" if sticky else "weight", compiled.names.get(version), shadows)

    def traffic(self, model: str) -> Traffic | None:
        """The plan in force, None for a model whose default version answers everything."""
        compiled = self._plans.get(model)
        return None if compiled is None else compiled.traffic

    def refresh(self) -> None:
        """Look at the plans. A plan that is gone (a flushed store) or unreadable stays in force as it was."""
        try:
            documents = self._state.documents(KIND)
        except StateUnavailable as error:
            self._log.debug("plans_unreadable", reason=str(error))
            return
        changed = {name: item for name, item in documents.items() if self._documents.get(name) != item}
        for model, document in changed.items():
            self._adopt(model, document)
        if changed:
            self._on_change()

    def _adopt(self, model: str, document: Document) -> None:
        self._documents[model] = document
        try:
            traffic = parse_traffic(document.text, document.generation)
        except (ValueError, KeyError, TypeError) as error:
            self._log.error("plan_unreadable", model=model, generation=document.generation, reason=str(error)[:200])
            return
        names = {version: variant for variant, version in traffic.plan.variants.items()}
        self._plans = self._plans | {model: _Compiled(traffic, tuple(sorted(traffic.plan.weights)), names)}
        self._log.info("plan_in_force", model=model, generation=document.generation, weights=traffic.plan.weights)

    def _refresh_forever(self) -> None:
        while True:
            sleep(REFRESH_S)
            self.refresh()
