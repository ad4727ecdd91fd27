"""churn: will this customer leave? Two versions over one synthetic table.

v1 is a logistic regression with one ONNX input per column, and its gaps are filled with the manifest's values. v2 is
gradient boosting with a number matrix and a string matrix, and takes gaps in numbers as NaN.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from app.registry.intake.columns import observe
from app.registry.manifest import Feature, Manifest, Missing, Output
from scripts.demo_models.customers import CATEGORIES, NUMBERS, RANGES, WHOLE, WORDS, customers
from scripts.demo_models.trained import Trained, reproducible

HELD_OUT = 4000
COLUMNS = [*NUMBERS, *WORDS]
_SOURCE = "scripts/train_demo_models.py; synthetic data, seed 2026: no real customer is in it"


@dataclass(frozen=True)
class _Recipe:
    """How the two versions differ. ``inputs`` holds the ONNX inputs, ``gaps`` what a missing number becomes."""

    version: str
    kind: str
    classifier: Any
    numbers: Any
    inputs: list[tuple[str, Any]]
    gaps: Missing

    def input_of(self, column: str) -> str:
        """The ONNX input that takes a column."""
        group = "numbers" if column in NUMBERS else "words"
        return group if len(self.inputs) == 2 else column


def train_v1(created: str) -> Trained:
    """Logistic regression."""
    inputs = [(name, (FloatTensorType if name in NUMBERS else StringTensorType)([None, 1])) for name in COLUMNS]
    classifier = LogisticRegression(max_iter=2000)
    return _train(_Recipe("v1", "Logistic regression", classifier, StandardScaler(), inputs, "impute"), created)


def train_v2(created: str) -> Trained:
    """Gradient boosting."""
    inputs = [("numbers", FloatTensorType([None, len(NUMBERS)])), ("words", StringTensorType([None, len(WORDS)]))]
    classifier = HistGradientBoostingClassifier(max_iter=150, max_leaf_nodes=15, learning_rate=0.08, random_state=0)
    return _train(_Recipe("v2", "Gradient boosting", classifier, "passthrough", inputs, "nan"), created)


@reproducible
def _train(recipe: _Recipe, created: str) -> Trained:
    table, churned = customers()
    fills = _fills(table[:-HELD_OUT])
    filled = _filled(table, {name: fill for name, fill in fills.items() if recipe.gaps == "impute" or name in WORDS})
    pipeline = _pipeline(recipe).fit(filled[:-HELD_OUT], churned[:-HELD_OUT])
    expected = pipeline.predict_proba(filled[-HELD_OUT:])
    area = roc_auc_score(churned[-HELD_OUT:], expected[:, 1])
    model = _convert(pipeline, recipe.inputs)
    score = f"AUC {area:.3f} on {HELD_OUT} held-out rows"
    features = _features(recipe, fills, _records(table[:-HELD_OUT]))
    about = f"{recipe.kind}: the chance that a customer leaves. Trained on synthetic data; {score}."
    manifest = _manifest(recipe.version, features, hashlib.sha256(model).hexdigest(), created)
    return Trained(replace(manifest, description=about), model, _records(table[-HELD_OUT:]), expected, score)


def _fills(table: pd.DataFrame) -> dict[str, Any]:
    """For each column with gaps, what fills them: the median, or the commonest word."""
    gaps = [name for name in COLUMNS if table[name].isna().any()]
    return {name: float(table[name].median()) if name in NUMBERS else str(table[name].mode()[0]) for name in gaps}


def _filled(table: pd.DataFrame, fills: Mapping[str, Any]) -> pd.DataFrame:
    """Gaps filled, numbers as the float32 the ONNX model will see."""
    return table.fillna(dict(fills)).astype(dict.fromkeys(NUMBERS, "float32"))


def _pipeline(recipe: _Recipe) -> Pipeline:
    words = OneHotEncoder(categories=[list(CATEGORIES[name]) for name in WORDS], sparse_output=False)
    positions = list(range(len(COLUMNS)))
    numbers, rest = positions[: len(NUMBERS)], positions[len(NUMBERS) :]
    columns = ColumnTransformer([("numbers", recipe.numbers, numbers), ("words", words, rest)])
    return Pipeline([("columns", columns), ("classifier", recipe.classifier)])


def _convert(pipeline: Pipeline, inputs: list[tuple[str, Any]]) -> bytes:
    converted = to_onnx(pipeline, initial_types=inputs, options={id(pipeline): {"zipmap": False}}, name="churn")
    return bytes(converted.SerializeToString())


def _manifest(version: str, features: tuple[Feature, ...], sha256: str, created: str) -> Manifest:
    return Manifest(
        name="churn",
        version=version,
        created=created,
        source=_SOURCE,
        sha256=sha256,
        task="classification",
        features=features,
        outputs=(Output("label", "label"), Output("probabilities", "probabilities")),
        labels=(0, 1),
        positive_label=1,
        probability_name="churn_probability",
        entity_key="customer_id",
    )


def _features(recipe: _Recipe, fills: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> tuple[Feature, ...]:
    plain = [_feature(recipe, name, fills) for name in COLUMNS]
    return tuple(replace(feature, observed=observe([row[feature.name] for row in rows])) for feature in plain)


def _feature(recipe: _Recipe, name: str, fills: Mapping[str, Any]) -> Feature:
    policy: Missing = "reject" if name not in fills else "impute" if name in WORDS else recipe.gaps
    return Feature(
        name=name,
        dtype="string" if name in WORDS else "int32" if name in WHOLE else "float32",
        input=recipe.input_of(name),
        range=RANGES.get(name),
        categories=CATEGORIES.get(name),
        missing=policy,
        impute=fills[name] if policy == "impute" else None,
        description=(NUMBERS | WORDS)[name],
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as a caller sends them: null for a gap, whole numbers whole."""
    whole = table.astype(dict.fromkeys(WHOLE, "int64")).astype(object)
    records: list[dict[str, Any]] = whole.where(whole.notna(), None).to_dict("records")
    return records
