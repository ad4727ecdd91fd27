"""The small model: gradient boosting, 100 trees, 20 numbers; microseconds for a row."""

import numpy as np
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier

from app.registry.manifest import Manifest
from benchmarks.models.described import described
from benchmarks.rows import FEATURES, SEED

TREES = 100
NAME = "gradient-boosting"


def trained() -> tuple[Manifest, bytes]:
    """Its manifest and its file."""
    random = np.random.default_rng(SEED)
    rows = random.normal(size=(2000, FEATURES)).astype(np.float32)
    classes = (rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(scale=0.3, size=len(rows)) > 0).astype(int)
    forest = GradientBoostingClassifier(n_estimators=TREES, random_state=SEED).fit(rows, classes)
    model = to_onnx(forest, rows[:1], options={"zipmap": False}).SerializeToString()
    return described(NAME, model, rows[0], forest.predict_proba(rows[:1])[0].tolist()), model
