"""The prediction pipeline. Every door hands its request here; nothing here knows a protocol."""

from collections.abc import Sequence
from typing import NamedTuple

from app.cache.tiered import PredictionCache
from app.registry.registry import Registry
from app.registry.version import ServedVersion
from app.tensors import Feed, Prediction, Request


class Warmed(NamedTuple):
    """How many rows of which version are remembered now, and by which tiers; none where caching is off."""

    version: str
    rows: int
    tiers: Sequence[str]


class Predictor:
    """Choose the version, encode the rows, remember or run."""

    def __init__(self, registry: Registry, cache: PredictionCache) -> None:
        self._registry = registry
        self._cache = cache

    def predict(self, request: Request) -> Prediction:
        """Answer a request.

        Raises:
            ModelNotFound, VersionNotFound, ModelNotReady: nothing to run.
            InvalidInput: rows that do not fit the model, field by field.
            ModelFailed: the runtime raised.
        """
        version, feed, rows = self._encoded(request)
        outcome = self._cache.outputs(version, feed, rows, request.freshness)
        return Prediction(
            request.model,
            version.manifest.version,
            outcome.outputs,
            rows,
            version.interpreter,
            outcome.source,
            outcome.age,
        )

    def warm(self, request: Request) -> Warmed:
        """Compute a request's rows and remember them, whether that pays or not.

        Raises:
            ModelNotFound, VersionNotFound, ModelNotReady, InvalidInput, ModelFailed: as ``predict``.
        """
        version, feed, rows = self._encoded(request)
        tiers = self._cache.warm(version, feed, rows)
        return Warmed(version.manifest.version, rows if tiers else 0, tiers)

    def _encoded(self, request: Request) -> tuple[ServedVersion, Feed, int]:
        version = self._registry.version(request.model, request.version)
        return version, *version.encoder.encode(request.instances)
