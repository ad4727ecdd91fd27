"""The machine, the software and the time a figure was taken with."""

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUSY = 1.0
SHOWN = (
    "fastapi",
    "flask",
    "gunicorn",
    "numpy",
    "onnxruntime",
    "orjson",
    "pydantic",
    "uvicorn",
    "mlserver",
    "bentoml",
    "litserve",
    "azureml-inference-server-http",
    "mlflow",
)


def surroundings(versions: Mapping[str, str], load_average: float) -> dict[str, Any]:
    """Of this moment; ``load_average`` is of before the program itself did anything."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": round(load_average, 2),
        "python": platform.python_version(),
        "versions": {name: versions[name] for name in SHOWN if name in versions},
    }


def provenance(around: Mapping[str, Any]) -> str:
    """For people."""
    machine = f"{around['processor']}, {around['cores']} cores, {around['memory_gib']} GiB, {around['system']}"
    versions = ", ".join(f"{name} {version}" for name, version in around["versions"].items())
    when = f"{around['date']}, commit {around['commit']}, load average before: {around['load_average']}"
    busy = " **The machine was busy with other work: preliminary.**" if around["load_average"] > BUSY else ""
    return f"{when}; {machine}; Python {around['python']}, {versions}.{busy}"


def _commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
