"""What a person may say about a model that its file cannot."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.errors import SluiceError
from app.registry.manifest import Missing, Role, Task


class IntakeRefused(SluiceError):
    """The file, the sample and the options do not make a model. The text says what to do next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Everything is optional but the name and the version; what is left out is found out.

    ``missing`` maps a feature to its policy and ``missing_default`` is for all others; without either a column with
    gaps in the sample decides for itself (see ``policies``). ``roles`` maps an ONNX output to its role. ``target`` and
    ``ignore`` are columns of the sample that are no features. ``enforce`` makes what the sample holds the only thing
    that is allowed.
    """

    name: str
    version: str
    description: str = ""
    source: str = ""
    task: Task | None = None
    features: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    positive_label: str | None = None
    probability_name: str | None = None
    entity_key: str | None = None
    target: str | None = None
    ignore: tuple[str, ...] = ()
    missing: Mapping[str, Missing] = field(default_factory=dict)
    missing_default: Missing | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    enforce: bool = False
