"""This server, with one thing or another switched."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.contenders.contender import ROOT, Contender
from benchmarks.doors.dialects import OUR_MANY, OUR_ONE, V2, V2_BINARY
from benchmarks.doors.door import Door
from benchmarks.doors.grpc import GrpcDoor
from benchmarks.doors.h2load import H2loadDoor
from benchmarks.doors.http import HttpDoor
from benchmarks.workload import MODELS, Workload

KEY = "the-key-of-this-benchmark-alone"
QUOTAS = {"requests": ["6000000/minute"], "rows": ["6000000000/minute"]}


def sluices(workload: Workload, redis: str) -> tuple[Contender, ...]:
    """The full stack and what it is made of."""
    known = MODELS["trees"].name
    grpc: dict[str, Any] = {
        "command": ("-m", "app.rpc"),
        "doors": {"grpc": GrpcDoor(known), "grpc_same": H2loadDoor(known)},
        "ports": ("SLUICE_GRPC_PORT", "SLUICE_GRPC_METRICS_PORT"),
    }
    return (
        sluice(workload, "sluice", "Sluice without keys and Redis"),
        sluice(
            workload,
            "sluice_guarded",
            "Sluice, full stack: keys, quotas, Redis",
            guarded(workload, redis),
            needs=("redis",),
            key=KEY,
        ),
        sluice(
            workload, "sluice_shared", "Sluice, cache on Redis, no keys", {"SLUICE_REDIS_URL": redis}, needs=("redis",)
        ),
        sluice(
            workload,
            "sluice_ungated",
            "Sluice without keys, quotas, metrics, log",
            {"SLUICE_REDIS_URL": redis, "SLUICE_METRICS": "off", "SLUICE_ACCESS_LOG": "off"},
            needs=("redis",),
        ),
        sluice(workload, "sluice_uncached", "Sluice, SLUICE_CACHE=off", {"SLUICE_CACHE": "off"}),
        sluice(workload, "sluice_grpc", "Sluice over gRPC, without keys", **grpc),
        sluice(workload, "sluice_grpc_uncached", "Sluice over gRPC, SLUICE_CACHE=off", {"SLUICE_CACHE": "off"}, **grpc),
    )


def sluice(
    workload: Workload,
    name: str,
    title: str,
    more: Mapping[str, str] | None = None,
    *,
    model: str = "trees",
    key: str = "",
    **rest: Any,
) -> Contender:
    """One that serves the model alone: without keys, unless ``more`` says otherwise and ``key`` is shown."""
    variables = {
        "SLUICE_MODELS_DIR": str(workload.repository(model)),
        "SLUICE_DEPLOYMENT_FILE": str(workload.deployment("plain", "trees")),
        "SLUICE_LOG_FORMAT": "json",
        "SLUICE_AUTH": "off",
        "SLUICE_DATA_DIR": str(workload.folder / "var" / name),
        "SLUICE_DRAIN_SECONDS": "0",
        **(more or {}),
    }
    parts = {
        "command": ("-m", "gunicorn"),
        "doors": _doors(MODELS[model].name, {"X-API-Key": key} if key else {}),
        "model": model,
        "variables": variables,
    }
    return Contender(name, title, ours=True, **(parts | rest))


def guarded(workload: Workload, redis: str) -> dict[str, str]:
    """A key is asked for, its requests and rows are counted in Redis, and so is what is cached."""
    return {
        "SLUICE_REDIS_URL": redis,
        "SLUICE_AUTH": "on",
        "SLUICE_BOOTSTRAP_ADMIN_KEY": KEY,
        "SLUICE_ROLES_FILE": str(_roles(workload)),
    }


def _roles(workload: Workload) -> Path:
    """The roles that come with the server, with quotas that are counted and never reached."""
    roles = yaml.safe_load((ROOT / "config" / "roles.yaml").read_text())
    roles["roles"]["admin"]["quotas"] = QUOTAS
    file = workload.folder / "roles.yaml"
    file.write_text(yaml.safe_dump(roles))
    return file


def _doors(model: str, headers: Mapping[str, str]) -> dict[str, Door]:
    predict, infer = f"/v1/models/{model}/predict", f"/v2/models/{model}/infer"
    return {
        "one": HttpDoor(predict, OUR_ONE, headers),
        "many": HttpDoor(predict, OUR_MANY, headers),
        "v2": HttpDoor(infer, V2, headers),
        "v2_binary": HttpDoor(infer, V2_BINARY, headers),
    }
