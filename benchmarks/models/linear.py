"""The light model: logistic regression on 20 numbers. A thousand rows take it microseconds."""

import numpy as np
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from app.registry.manifest import Manifest
from benchmarks.models.described import described
from benchmarks.rows import FEATURES, SEED

NAME = "logistic-regression"


def fitted() -> tuple[Manifest, bytes]:
    """Its manifest and its file."""
    random = np.random.default_rng(SEED)
    rows = random.normal(size=(2000, FEATURES)).astype(np.float32)
    classes = (rows[:, 0] + rows[:, 1] + random.normal(size=len(rows)) > 0).astype(int)
    line = LogisticRegression().fit(rows, classes)
    model = to_onnx(line, rows[:1], options={"zipmap": False}).SerializeToString()
    return described(NAME, model, rows[0], line.predict_proba(rows[:1])[0].tolist()), model
