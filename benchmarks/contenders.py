"""Who is measured: how each is started and where it answers. Add a rival here and its code under ``rivals/``."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.environment import Environment
from benchmarks.redis_server import RedisProcess
from benchmarks.workload import Workload

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORKERS = 2

KEY = "the-key-of-this-benchmark-alone"

RIVALS = Environment("bench-venv", HERE / "requirements.txt")


@dataclass(frozen=True, slots=True)
class Contender:
    """One server. ``environment`` is the virtual environment it runs in, None for the one this program runs in.

    ``command`` is what follows ``python``, started in ``folder``; the port comes to it as ``PORT`` and the number of
    worker processes as ``WEB_CONCURRENCY``. ``read`` finds the second class's probability of each row in an answer;
    ``needs`` names the Redis servers it asks, ``headers`` go with every request.
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
    needs: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def argv(self) -> list[str]:
        """The whole command line."""
        python = str(self.environment.python) if self.environment else sys.executable
        return [python, *self.command]

    def path(self, rows: int) -> str:
        """Where a request of so many rows goes."""
        return self.one_path if rows == 1 else self.many_path


def contenders(workload: Workload, backing: Mapping[str, RedisProcess]) -> dict[str, Contender]:
    """Everyone, by name, set up to serve the workload's model with the Redis servers that stand ready."""
    everyone = (*_foundation(workload), *_caching(workload, backing))
    return {each.name: each for each in everyone}


def _foundation(workload: Workload) -> tuple[Contender, ...]:
    rival: dict[str, Any] = {
        "folder": HERE / "rivals",
        "environment": RIVALS,
        "variables": {"BENCH_MODEL": str(workload.model_file)},
    }
    return (
        _sluice(workload, "sluice", "Sluice, full stack without keys"),
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


def _caching(workload: Workload, backing: Mapping[str, RedisProcess]) -> tuple[Contender, ...]:
    """Ours with the cache on, off and shared, and the brief's example made complete."""
    redis, silent = backing["redis"].url, backing["silent"].url
    costly = {"SLUICE_MODELS_DIR": str(workload.costly_repository)}
    far_only = {"SLUICE_DEPLOYMENT_FILE": str(workload.far_only_file)}
    guard = {"SLUICE_AUTH": "on", "SLUICE_BOOTSTRAP_ADMIN_KEY": KEY}
    return (
        _sluice(workload, "sluice_shared", "Sluice on Redis", {"SLUICE_REDIS_URL": redis}, needs=("redis",)),
        _sluice(
            workload,
            "sluice_guarded",
            "Sluice on Redis, API key and quotas",
            {"SLUICE_REDIS_URL": redis, **guard},
            needs=("redis",),
            headers={"X-API-Key": KEY},
        ),
        _cached_fastapi(workload, redis, "cached_fastapi", "FastAPI + Redis cache, API key, slowapi, metrics, log", {}),
        _cached_fastapi(
            workload, redis, "lean_fastapi", "the same, its log line written by plain ASGI", {"BENCH_LEAN": "1"}
        ),
        _sluice(workload, "sluice_uncached", "Sluice, SLUICE_CACHE=off", {"SLUICE_CACHE": "off"}),
        _sluice(workload, "costly", "Sluice", costly),
        _sluice(workload, "costly_uncached", "Sluice, SLUICE_CACHE=off", {**costly, "SLUICE_CACHE": "off"}),
        _sluice(workload, "far", "Redis is well", {**far_only, "SLUICE_REDIS_URL": redis}, needs=("redis",)),
        _sluice(
            workload, "far_silent", "Redis is stopped", {**far_only, "SLUICE_REDIS_URL": silent}, needs=("silent",)
        ),
    )


def _cached_fastapi(workload: Workload, redis: str, name: str, title: str, more: Mapping[str, str]) -> Contender:
    known = {"BENCH_MODEL": str(workload.model_file), "BENCH_REDIS_URL": redis, "BENCH_API_KEY": KEY}
    return Contender(
        name,
        title,
        ("cached_fastapi.py",),
        "/predict",
        "/predict",
        _by_position,
        folder=HERE / "rivals",
        environment=RIVALS,
        variables={**known, **more},
        needs=("redis",),
        headers={"X-API-Key": KEY},
    )


def _sluice(workload: Workload, name: str, title: str, more: Mapping[str, str] | None = None, **rest: Any) -> Contender:
    predict = f"/v1/models/{workload.model_name}/predict"
    variables = {
        "SLUICE_MODELS_DIR": str(workload.repository),
        "SLUICE_DEPLOYMENT_FILE": str(workload.deployment_file),
        "SLUICE_LOG_FORMAT": "json",
        "SLUICE_AUTH": "off",
        "SLUICE_DATA_DIR": str(workload.repository.parent / "var" / name),
        **(more or {}),
    }
    return Contender(name, title, ("-m", "gunicorn"), predict, predict, _by_label, variables=variables, **rest)


def _by_column(answer: dict[str, Any]) -> list[float]:
    if "labels" not in answer:
        return _by_position(answer)
    return [shares[1] for shares in answer["probabilities"]]


def _by_label(answer: dict[str, Any]) -> list[float]:
    return [row["probabilities"]["1"] for row in answer.get("predictions", [answer])]


def _by_position(answer: dict[str, Any]) -> list[float]:
    return [row["probabilities"][1] for row in answer.get("predictions", [answer])]
