"""The model that everyone serves and the rows that everyone is sent, made afresh for each run from one seed."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import orjson
from numpy.typing import NDArray
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingClassifier

from app.registry.manifest import Feature, GoldenRow, Manifest, Output
from app.registry.repository import Repository
from benchmarks.costly import slowed_down

FEATURES = 20
TREES = 100
POOL_ROWS = 20_000
SEED = 20261122
NAME = "gradient-boosting"
COSTLY_S = 0.005


@dataclass(frozen=True, slots=True)
class Workload:
    """Files of one run. ``pool_file`` holds one row per line without its first number, which the load script adds."""

    repository: Path
    model_file: Path
    deployment_file: Path
    pool_file: Path
    costly_repository: Path
    far_only_file: Path
    model_name: str = NAME

    def sample(self, rows: int) -> tuple[bytes, list[float]]:
        """A body of so many rows, and onnxruntime's own probability of the second class for each."""
        values = np.random.default_rng(rows).normal(size=(rows, FEATURES))
        session = ort.InferenceSession(str(self.model_file), providers=["CPUExecutionProvider"])
        probabilities: Any = session.run(["probabilities"], {"X": values.astype(np.float32)})[0]
        return _body(values), probabilities[:, 1].tolist()

    def bodies(self, rows: int) -> Iterator[bytes]:
        """Bodies without end, all different."""
        random = np.random.default_rng(SEED + rows)
        while True:
            yield _body(random.normal(size=(rows, FEATURES)))


def build_workload(folder: Path) -> Workload:
    """Train, convert, and write everything under ``folder``."""
    repository = folder / "models"
    shutil.rmtree(repository, ignore_errors=True)
    manifest, model = _trained()
    stored = Repository(repository).add(manifest, model, {})
    deployment = folder / "deployment.yaml"
    deployment.write_text(f"default_model: {NAME}\n")
    pool = folder / "rows.txt"
    pool.write_bytes(_pool())
    costly = folder / "costly-models"
    shutil.rmtree(costly, ignore_errors=True)
    slowed = slowed_down(model, rows_like(1), COSTLY_S)
    Repository(costly).add(replace(manifest, sha256=hashlib.sha256(slowed).hexdigest()), slowed, {})
    far_only = folder / "far-only.yaml"
    far_only.write_text(f"default_model: {NAME}\ncache: {{l1: off, l2: on}}\n")
    return Workload(repository, stored / "model.onnx", deployment, pool, costly, far_only)


def rows_like(rows: int) -> Any:
    """Rows as the model takes them."""
    return np.random.default_rng(rows).normal(size=(rows, FEATURES)).astype(np.float32)


def _body(values: NDArray[np.float64]) -> bytes:
    return orjson.dumps({"features": values[0].tolist()} if len(values) == 1 else {"instances": values.tolist()})


def _trained() -> tuple[Manifest, bytes]:
    random = np.random.default_rng(SEED)
    rows = random.normal(size=(2000, FEATURES)).astype(np.float32)
    classes = (rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(scale=0.3, size=len(rows)) > 0).astype(int)
    forest = GradientBoostingClassifier(n_estimators=TREES, random_state=SEED).fit(rows, classes)
    model = to_onnx(forest, rows[:1], options={"zipmap": False}).SerializeToString()
    golden = GoldenRow(
        {f"f{at}": float(value) for at, value in enumerate(rows[0])},
        {"probabilities": forest.predict_proba(rows[:1])[0].tolist()},
    )
    manifest = Manifest(
        name=NAME,
        version="v1",
        created="2026-11-22T00:00:00Z",
        source="benchmarks/workload.py",
        sha256=hashlib.sha256(model).hexdigest(),
        task="classification",
        features=tuple(Feature(f"f{at}", "float32", "X") for at in range(FEATURES)),
        outputs=(Output("label", "label"), Output("probabilities", "probabilities")),
        labels=(0, 1),
        golden=(golden,),
    )
    return manifest, model


def _pool() -> bytes:
    values = np.random.default_rng(SEED + 1).normal(size=(POOL_ROWS, FEATURES - 1))
    return b"".join(b"," + orjson.dumps(row)[1:] + b"\n" for row in values.tolist())
