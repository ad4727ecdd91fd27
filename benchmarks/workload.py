"""What a run serves: models are made when the first contender needs them, at places that are known beforehand."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from app.registry.manifest import Manifest
from app.registry.repository import Repository
from benchmarks.models import heavy, linear, slow, trees
from benchmarks.rows import FEATURES


@dataclass(frozen=True, slots=True)
class Served:
    """One model of the race: its name, and what makes it."""

    name: str
    make: Callable[[], tuple[Manifest, bytes]]


MODELS: Mapping[str, Served] = {
    "trees": Served(trees.NAME, trees.trained),
    "slow": Served(trees.NAME, slow.slow),
    "linear": Served(linear.NAME, linear.fitted),
    "heavy": Served(heavy.NAME, heavy.heavy),
}


@dataclass(frozen=True, slots=True)
class Workload:
    """The files of one run, under ``folder``. Models are called by their key in ``MODELS``."""

    folder: Path

    def repository(self, model: str) -> Path:
        """The model repository that holds this model alone."""
        return self.folder / f"{model}-models"

    def file(self, model: str) -> Path:
        """The ONNX file in it."""
        return self.repository(model) / MODELS[model].name / "v1" / "model.onnx"

    def build(self, model: str) -> None:
        """Make it, whatever was there before."""
        shutil.rmtree(self.repository(model), ignore_errors=True)
        manifest, content = MODELS[model].make()
        Repository(self.repository(model)).add(manifest, content, {})

    def deployment(self, name: str, model: str, more: str = "") -> Path:
        """A deployment file that serves the model by default; ``more`` is further YAML."""
        file = self.folder / f"{name}.yaml"
        file.write_text(f"default_model: {MODELS[model].name}\n{more}")
        return file

    def sample(self, model: str, rows: int) -> tuple[NDArray[Any], list[float]]:
        """So many rows, and onnxruntime's own probability of the second class for each."""
        return _rows(rows), _probabilities(self.file(model), rows)


def _rows(rows: int) -> NDArray[Any]:
    return np.random.default_rng(rows).normal(size=(rows, FEATURES))


@cache
def _probabilities(file: Path, rows: int) -> list[float]:
    """Kept, for opening the heavy model takes a while."""
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    answered: Any = session.run(["probabilities"], {"X": _rows(rows).astype(np.float32)})[0]
    shares: list[float] = answered[:, 1].tolist()
    return shares
