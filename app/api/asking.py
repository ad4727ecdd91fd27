"""From rows to a prediction, as every HTTP route does it: charged, computed, told to the log."""

from flask import g

from app.api.freshness import wanted_freshness
from app.services import services
from app.tensors import Instances, Prediction, Request


def ask(name: str, version: str | None, instances: Instances) -> Prediction:
    """Predict for the current request's caller and note what the access log and the observers want to know.

    Raises:
        SluiceError: see ``Services.predict``.
    """
    g.facts = {"model": name}
    prediction = services().predict(Request(name, version, instances, wanted_freshness()), g.caller)
    g.facts = {
        "model": name,
        "version": prediction.version,
        "rows": prediction.rows,
        "cache": prediction.source,
    }
    return prediction
