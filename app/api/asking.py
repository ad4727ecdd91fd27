"""From rows to a prediction, as every HTTP route does it: charged, computed, told to the log."""

from typing import Any

from app.api.current import current_request, current_visit
from app.api.freshness import wanted_freshness
from app.errors import ModelNotFound
from app.registry.version import ServedVersion
from app.services import services
from app.telemetry.metrics import Facts
from app.tensors import Instances, Prediction, Request


def default_model() -> str:
    """The model that addresses without a name mean.

    Raises:
        ModelNotFound: there are several, and none was made the default.
    """
    name = services().registry.default_model
    if name is None:
        raise ModelNotFound("default", " Set default_model in the deployment file, or name the model in the address.")
    return name


def may_see(name: str) -> bool:
    """Whether the current caller may learn of a model: what lists several shows it these alone."""
    return current_visit().caller.sees(name)


def known(name: str, version: str | None) -> ServedVersion:
    """The version that would answer; from here on the request counts for its model.

    Raises:
        ModelNotFound, VersionNotFound, ModelNotReady
    """
    served = services().registry.version(name, version)
    current_visit().facts = Facts(name)
    return served


def ask(name: str, version: str | None, instances: Instances, entity: Any = None) -> Prediction:
    """Predict for the current request's caller and note what the access log and the observers want to know.

    ``entity`` is whom the first row is about, where the route has taken that out of the rows.

    Raises:
        SluiceError: see ``Services.predict``.
    """
    here, visit, environ = services(), current_visit(), current_request().environ

    def header(name: str) -> str | None:
        text: str | None = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        return text

    asked = here.steered(Request(name, version, instances, wanted_freshness()), header, entity)
    prediction = here.predict(asked, visit.caller)
    visit.facts = Facts.of(prediction)
    return prediction
