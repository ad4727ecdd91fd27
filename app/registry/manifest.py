"""The manifest: what a model version says of itself. ``manifest_file`` reads and writes it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Task = Literal["classification", "regression", "raw"]
Missing = Literal["reject", "impute", "nan"]
Role = Literal["label", "probabilities", "logits", "value", "raw"]

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,63}")
"""Names of models and versions: an allow-list, so a name can never be a path."""

TAKEN = frozenset(
    "features instances columns prediction predictions probability probabilities outputs"
    " model model_version cached request_id".split()
)
"""Keys of bodies and answers, which a model cannot give another meaning."""

DEFAULT_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Feature:
    """One value a caller sends for each row.

    ``range`` and ``categories`` are what is allowed; ``observed`` is what the sample held, for people and for drift.
    ``decimals`` is how many are kept before the model sees the value; None keeps all.
    ``input`` is the ONNX input the value goes to, ``shape`` the row's shape there (empty for a plain value).
    """

    name: str
    dtype: str
    input: str
    shape: tuple[int | None, ...] = ()
    range: tuple[float | None, float | None] | None = None
    categories: tuple[Any, ...] | None = None
    missing: Missing = "reject"
    impute: Any = None
    decimals: int | None = None
    observed: Mapping[str, Any] | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """One ONNX output and what it means."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class GoldenRow:
    """A row and the outputs it gave when the model was added."""

    features: Mapping[str, Any]
    outputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything about a version that is not weights."""

    name: str
    version: str
    created: str
    source: str
    sha256: str
    task: Task
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    description: str = ""
    external: Mapping[str, str] | None = None
    labels: tuple[Any, ...] = ()
    positive_label: Any = None
    probability_name: str | None = None
    entity_key: str | None = None
    golden: tuple[GoldenRow, ...] = ()
    tolerance: float = DEFAULT_TOLERANCE

    @property
    def digest(self) -> str:
        """Hex digest that changes whenever the weights do, external files included."""
        return "-".join([self.sha256, *sorted((self.external or {}).values())])
