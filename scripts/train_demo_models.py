"""Train the demo models and write them into a model repository.

    python scripts/train_demo_models.py [--into models] [--replace] [churn digits diabetes]

Needs requirements-train.txt. Training is seeded: a second run gives models that predict the same.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.registry.intake.golden import GOLDEN_ROWS, record_golden
from app.registry.manifest import Manifest
from app.registry.repository import Repository
from app.registry.version import ServedVersion
from app.runtimes.onnx import OnnxRuntime

try:
    from scripts.demo_models import churn, diabetes, digits
    from scripts.demo_models.trained import Trained
except ModuleNotFoundError as error:
    raise SystemExit(f"train_demo_models: {error.name} is missing; make check installs what training needs") from None

TRAININGS: dict[str, list[Callable[[str], Trained]]] = {
    "churn": [churn.train_v1, churn.train_v2],
    "digits": [digits.train],
    "diabetes": [diabetes.train],
}


def main() -> None:
    """Train what was asked for, one line of progress each."""
    asked = _arguments()
    repository = Repository(asked.into)
    for name in asked.models or TRAININGS:
        for train in TRAININGS[name]:
            print(f"{name}: training ...", flush=True)
            started = perf_counter()
            print(f"{name}: {write(repository, train(_now()), asked.replace)} ({perf_counter() - started:.1f} s)")


def write(repository: Repository, trained: Trained, overwrite: bool) -> str:
    """Add golden rows and write the version; what happened, in words."""
    manifest = _with_golden(trained)
    folder = repository.root / manifest.name / manifest.version
    if folder.exists() and not overwrite:
        return f"{folder} is already there; --replace trains it anew"
    if folder.exists():
        shutil.rmtree(folder)
    repository.add(manifest, trained.model, {})
    return f"{folder} written, {len(trained.model) / 1000:.0f} kB, {trained.score}"


def _with_golden(trained: Trained) -> Manifest:
    """Rows from low answers to high ones; complete rows come first, because the first one is the docs' example."""
    version = ServedVersion(trained.manifest, OnnxRuntime(trained.model))
    answers = trained.expected.reshape(len(trained.rows), -1)[:, -1]
    spread = answers.argsort()[:: len(answers) // GOLDEN_ROWS][-GOLDEN_ROWS:]
    rows = sorted((trained.rows[at] for at in spread), key=lambda row: list(row.values()).count(None))
    return replace(trained.manifest, golden=record_golden(version, rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "models",
        nargs="*",
        choices=[[], *TRAININGS],
        metavar="NAME",
        help=f"{', '.join(TRAININGS)}; all when none is named",
    )
    parser.add_argument("--into", type=Path, default=Path("models"), help="the model repository (default: models)")
    parser.add_argument("--replace", action="store_true", help="overwrite versions that are already there")
    return parser.parse_args()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


if __name__ == "__main__":
    main()
