"""The prediction pipeline. Every door hands its request here; nothing here knows a protocol."""

from collections.abc import Sequence
from time import perf_counter
from typing import NamedTuple

from app.cache.lookup import Outcome
from app.cache.tiered import PredictionCache
from app.errors import DeadlineExceeded, InvalidInput, ModelFailed, ModelNotReady, Overloaded, VersionNotFound
from app.journal.outcomes import Outcomes, Subject
from app.journal.shadow import Shadow
from app.journal.witness import Witness
from app.registry.registry import Registry
from app.registry.version import ServedVersion
from app.routing.router import Route, Router
from app.tensors import Prediction, Reader, Reason, Request


class Warmed(NamedTuple):
    """How many rows of which version are remembered now, and by which tiers; none where caching is off."""

    version: str
    rows: int
    tiers: Sequence[str]


class Predictor:
    """Choose the version, encode the rows, remember or run."""

    def __init__(
        self, registry: Registry, cache: PredictionCache, router: Router, outcomes: Outcomes, shadow: Shadow
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._router = router
        self._outcomes = outcomes
        self._shadow = shadow

    def predict(self, request: Request) -> Prediction:
        """Answer a request.

        Raises:
            ModelNotFound, VersionNotFound, ModelNotReady: nothing to run.
            InvalidInput: rows that do not fit the model, field by field.
            ModelFailed: the runtime raised.
        """
        route = self._router.choose(request.model, request.unit, request.version)
        with self._shadow.in_flight:
            if route.generation:
                return self._dealt(request, route)
            version = self._registry.version(request.model, route.version)
            return self._run(version, request, "override" if request.override else route.reason)

    def warm(self, request: Request) -> Warmed:
        """Compute a request's rows and remember them, whether that pays or not.

        Raises:
            ModelNotFound, VersionNotFound, ModelNotReady, InvalidInput, ModelFailed: as ``predict``.
        """
        route = self._router.choose(request.model, request.unit, request.version)
        version = self._registry.version(request.model, route.version)
        feed, rows = version.encoder.encode(request.instances)
        tiers = self._cache.warm(version, feed, rows)
        return Warmed(version.manifest.version, rows if tiers else 0, tiers)

    def _dealt(self, request: Request, route: Route) -> Prediction:
        """Answer with the version that the plan dealt; a canary on trial that fails costs nobody an answer."""
        try:
            version = self._registry.version(request.model, route.version)
        except (VersionNotFound, ModelNotReady):
            return self._fall_back(request, route)
        if route.shadows:
            self._shadow.offer(request, route.shadows, route.generation)
        subject = Subject(request.model, route.generation, version.manifest.version, route.group)
        try:
            return self._watched(version, request, route, subject)
        except (ModelFailed, DeadlineExceeded, Overloaded) as error:
            self._outcomes.failed(subject)
            if route.stable is None or not isinstance(error, ModelFailed):
                raise
        except InvalidInput:
            if not self._stable_takes(request, route.stable):
                raise
            self._outcomes.failed(subject)
        return self._fall_back(request, route)

    def _watched(self, version: ServedVersion, request: Request, route: Route, subject: Subject) -> Prediction:
        started = perf_counter()
        feed, rows = version.encoder.encode(request.instances)
        outcome = self._cache.outputs(version, feed, rows, request.freshness)
        if route.stable is not None:
            version.interpreter.refuse_gaps(outcome.outputs, request.instances.path)
        seconds = None if outcome.source.startswith("hit") else perf_counter() - started
        reader = Witness(version.interpreter, self._outcomes, subject, seconds)
        return _prediction(request, version, outcome, rows, (reader, route.reason, route.variant))

    def _stable_takes(self, request: Request, stable: str | None) -> bool:
        """Whether what a canary refuses is the canary's fault."""
        if stable is None:
            return False
        try:
            self._registry.version(request.model, stable).encoder.encode(request.instances)
        except (InvalidInput, VersionNotFound, ModelNotReady):
            return False
        return True

    def _fall_back(self, request: Request, route: Route) -> Prediction:
        """The rollout's stable version, or else the default."""
        try:
            version = self._registry.version(request.model, route.stable)
        except (VersionNotFound, ModelNotReady):
            version = self._registry.version(request.model)
        return self._run(version, request, "fallback")

    def _run(self, version: ServedVersion, request: Request, reason: Reason) -> Prediction:
        feed, rows = version.encoder.encode(request.instances)
        outcome = self._cache.outputs(version, feed, rows, request.freshness)
        return _prediction(request, version, outcome, rows, (version.interpreter, reason, None))


def _prediction(
    request: Request,
    version: ServedVersion,
    outcome: Outcome,
    rows: int,
    seen: tuple[Reader, Reason, str | None],
) -> Prediction:
    reader, reason, variant = seen
    return Prediction(
        request.model,
        version.manifest.version,
        outcome.outputs,
        rows,
        reader,
        outcome.source,
        outcome.age,
        reason,
        variant,
    )
