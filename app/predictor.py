"""The prediction pipeline. Every door hands its request here; nothing here knows a protocol."""

from app.registry.registry import Registry
from app.tensors import Prediction, Request


class Predictor:
    """Choose the version, encode the rows, run the model."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def predict(self, request: Request) -> Prediction:
        """Answer a request.

        Raises:
            ModelNotFound, VersionNotFound, ModelNotReady: nothing to run.
            InvalidInput: rows that do not fit the model, field by field.
            ModelFailed: the runtime raised.
        """
        version = self._registry.version(request.model, request.version)
        feed, rows = version.encoder.encode(request.instances)
        outputs = version.run(feed)
        return Prediction(request.model, version.manifest.version, outputs, rows, version.interpreter)
