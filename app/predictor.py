"""The prediction pipeline. Every door hands its request here; nothing here knows a protocol."""

from app.cache.tiered import PredictionCache
from app.registry.registry import Registry
from app.tensors import Prediction, Request


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
        version = self._registry.version(request.model, request.version)
        feed, rows = version.encoder.encode(request.instances)
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
