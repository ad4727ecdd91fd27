"""Who is measured: how each is started and where it answers. Add a rival here and its code under ``rivals/``."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.environment import Environment
from benchmarks.workload import Workload

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORKERS = 2

RIVALS = Environment("bench-venv", HERE / "requirements.txt")


@dataclass(frozen=True, slots=True)
class Contender:
    """One server. ``environment`` is the virtual environment it runs in, None for the one this program runs in.

    ``command`` is what follows ``python``, started in ``folder``; the port comes to it as ``PORT`` and the number of
    worker processes as ``WEB_CONCURRENCY``. ``read`` finds the second class's probability of each row in an answer.
    """

    name: str
    title: str
    command: tuple[str, ...]
    one_path: str
    many_path: str
    read: Callable[[dict[str, Any]], list[float]]
    folder: Path = ROOT
    environment: Environment | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def argv(self) -> list[str]:
        """The whole command line."""
        python = str(self.environment.python) if self.environment else sys.executable
        return [python, *self.command]

    def path(self, rows: int) -> str:
        """Where a request of so many rows goes."""
        return self.one_path if rows == 1 else self.many_path


def contenders(workload: Workload) -> dict[str, Contender]:
    """Everyone, by name, set up to serve the workload's model."""
    predict = f"/v1/models/{workload.model_name}/predict"
    rival: dict[str, Any] = {
        "folder": HERE / "rivals",
        "environment": RIVALS,
        "variables": {"BENCH_MODEL": str(workload.model_file)},
    }
    return {
        each.name: each
        for each in (
            Contender(
                "sluice",
                "Sluice, full stack without keys",
                ("-m", "gunicorn"),
                predict,
                predict,
                _by_label,
                variables={
                    "SLUICE_MODELS_DIR": str(workload.repository),
                    "SLUICE_DEPLOYMENT_FILE": str(workload.deployment_file),
                    "SLUICE_LOG_FORMAT": "json",
                    "SLUICE_AUTH": "off",
                    "SLUICE_DATA_DIR": str(workload.repository.parent / "var"),
                },
            ),
            Contender(
                "bare_flask",
                "bare Flask + onnxruntime, gunicorn",
                ("-m", "gunicorn", "-c", "flask_gunicorn.py", "bare_flask:app"),
                "/predict",
                "/predict_many",
                _by_position,
                **rival,
            ),
            Contender(
                "bare_fastapi",
                "FastAPI + pydantic + onnxruntime, uvicorn",
                ("bare_fastapi.py",),
                "/predict",
                "/predict_many",
                _by_position,
                **rival,
            ),
            Contender(
                "bare_fastapi_columns",
                "the same FastAPI, answering in columns",
                ("bare_fastapi.py",),
                "/predict",
                "/predict_columns",
                _by_column,
                **rival,
            ),
        )
    }


def _by_column(answer: dict[str, Any]) -> list[float]:
    if "labels" not in answer:
        return _by_position(answer)
    return [shares[1] for shares in answer["probabilities"]]


def _by_label(answer: dict[str, Any]) -> list[float]:
    return [row["probabilities"]["1"] for row in answer.get("predictions", [answer])]


def _by_position(answer: dict[str, Any]) -> list[float]:
    return [row["probabilities"][1] for row in answer.get("predictions", [answer])]
