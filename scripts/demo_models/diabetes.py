"""diabetes: how far will the disease have gone a year from now? scikit-learn's real data in its raw units.

The whole model runs in double precision, so it answers what scikit-learn answers to the last digit that matters.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app.registry.intake.columns import observe
from app.registry.manifest import Feature, Manifest, Output
from scripts.demo_models.trained import Trained, reproducible

FEATURES: dict[str, tuple[str, float, float]] = {
    "age": ("Age in years.", 0, 120),
    "sex": ("Sex as the data set codes it, 1 or 2.", 1, 2),
    "bmi": ("Body mass index in kg/m2.", 5, 100),
    "bp": ("Average blood pressure in mmHg.", 20, 250),
    "s1": ("Total serum cholesterol in mg/dl.", 20, 1000),
    "s2": ("Low-density lipoproteins in mg/dl.", 5, 800),
    "s3": ("High-density lipoproteins in mg/dl.", 5, 300),
    "s4": ("Total cholesterol divided by HDL.", 0.5, 30),
    "s5": ("Logarithm of serum triglycerides.", 1, 10),
    "s6": ("Blood sugar in mg/dl.", 20, 600),
}
"""Name -> what it is, smallest and largest value accepted."""

WHOLE = ("age", "sex")
"""Features that hold whole numbers."""

_SOURCE = "scripts/train_demo_models.py; scikit-learn's load_diabetes(scaled=False) (Efron et al., 2004)"


@reproducible
def train(created: str) -> Trained:
    """Ridge regression. Its rows are all 442 patients: there are no more."""
    patients, progression = load_diabetes(return_X_y=True, scaled=False)
    learn, held, learn_goal, held_goal = train_test_split(patients, progression, test_size=0.25, random_state=0)
    pipeline = make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(learn, learn_goal)
    score = f"R2 {pipeline.score(held, held_goal):.3f} on {len(held)} held-out patients"
    inputs = [("measurements", DoubleTensorType([None, len(FEATURES)]))]
    model = to_onnx(pipeline, initial_types=inputs, name="diabetes").SerializeToString()
    features = tuple(_feature(name, column) for name, column in zip(FEATURES, learn.T, strict=True))
    manifest = _manifest(features, hashlib.sha256(model).hexdigest(), score, created)
    return Trained(manifest, model, _records(patients), pipeline.predict(patients), score)


def _manifest(features: tuple[Feature, ...], sha256: str, score: str, created: str) -> Manifest:
    return Manifest(
        name="diabetes",
        version="v1",
        created=created,
        source=_SOURCE,
        sha256=sha256,
        task="regression",
        features=features,
        outputs=(Output("variable", "value"),),
        description=f"Ridge regression: disease progression one year after baseline (25 to 346 seen); {score}.",
    )


def _feature(name: str, learnt: NDArray[np.float64]) -> Feature:
    description, low, high = FEATURES[name]
    dtype = "int32" if name in WHOLE else "float64"
    observed = observe(learnt.tolist())
    return Feature(name, dtype, "measurements", range=(low, high), observed=observed, description=description)


def _records(patients: NDArray[np.float64]) -> list[dict[str, Any]]:
    rows = [dict(zip(FEATURES, patient, strict=True)) for patient in patients.tolist()]
    return [row | {name: int(row[name]) for name in WHOLE} for row in rows]
