"""digits: which digit is written in an 8x8 picture? scikit-learn's real handwriting samples, a small neural network."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from app.registry.intake.columns import observe
from app.registry.manifest import Feature, Manifest, Output
from scripts.demo_models.trained import Trained, reproducible

SIDE = 8
_SOURCE = "scripts/train_demo_models.py; scikit-learn's load_digits (UCI optical recognition of handwritten digits)"


@reproducible
def train(created: str) -> Trained:
    """One hidden layer of 48 units. Its held-out rows are all pictures: the table has only 1,797."""
    pictures, digits = load_digits(return_X_y=True)
    pictures = pictures.astype(np.float32)
    learn, held, learn_digits, held_digits = train_test_split(pictures, digits, test_size=0.25, random_state=0)
    network = MLPClassifier((48,), max_iter=1000, random_state=0)
    pipeline = make_pipeline(MinMaxScaler(), network).fit(learn, learn_digits)
    score = f"accuracy {pipeline.score(held, held_digits):.3f} on {len(held)} held-out pictures"
    inputs = [("pixels", FloatTensorType([None, SIDE * SIDE]))]
    options = {id(pipeline): {"zipmap": False}}
    model = to_onnx(pipeline, initial_types=inputs, options=options, name="digits").SerializeToString()
    features = tuple(_pixel(number, ink) for number, ink in enumerate(learn.T))
    manifest = _manifest(features, hashlib.sha256(model).hexdigest(), score, created)
    return Trained(manifest, model, _records(pictures), pipeline.predict_proba(pictures), score)


def _manifest(features: tuple[Feature, ...], sha256: str, score: str, created: str) -> Manifest:
    return Manifest(
        name="digits",
        version="v1",
        created=created,
        source=_SOURCE,
        sha256=sha256,
        task="classification",
        features=features,
        outputs=(Output("label", "label"), Output("probabilities", "probabilities")),
        description=f"Neural network: the digit in an 8x8 picture, one feature per pixel; {score}.",
        labels=tuple(range(10)),
    )


def _pixel(number: int, ink: NDArray[np.float32]) -> Feature:
    row, column = divmod(number, SIDE)
    text = f"Ink in row {row} from the top, column {column} from the left: 0 none, 16 full."
    observed = observe(ink.tolist())
    return Feature(f"pixel_{row}_{column}", "float32", "pixels", range=(0, 16), observed=observed, description=text)


def _records(pictures: NDArray[np.float32]) -> list[dict[str, Any]]:
    names = [f"pixel_{row}_{column}" for row in range(SIDE) for column in range(SIDE)]
    return [dict(zip(names, picture, strict=True)) for picture in pictures.tolist()]
