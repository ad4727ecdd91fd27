"""The load: ``wrk`` with our script, one window at a time."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from benchmarks.process import Running
from benchmarks.scenarios import Scenario
from benchmarks.workload import Workload

SCRIPT = Path(__file__).resolve().parent / "predict.lua"
CLIENT_THREADS = 2


class LoadFailed(Exception):
    """wrk is missing or said something else than figures."""


@dataclass(frozen=True, slots=True)
class Window:
    """What one contender did in one window. ``cpu_us`` is the server's processor time per request."""

    requests_per_s: float
    rows_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    errors: int


def require_wrk() -> None:
    """Raises LoadFailed with what to install."""
    if not shutil.which("wrk"):
        raise LoadFailed("wrk is not installed; on Debian and Ubuntu: apt-get install wrk")


def put_load(running: Running, scenario: Scenario, workload: Workload, number: int, seconds: int) -> Window:
    """One window of load. ``number`` picks rows that no other window sends.

    Raises:
        LoadFailed: wrk itself failed. Failed requests are counted, not raised.
    """
    path = running.contender.path(scenario.rows)
    client = ["wrk", f"-t{CLIENT_THREADS}", f"-c{scenario.connections}", f"-d{seconds}s", "-s", str(SCRIPT)]
    script = [str(workload.pool_file), str(scenario.rows), path, str(number), str(scenario.distinct)]
    headers = "".join(f"{name}: {value}\r\n" for name, value in running.contender.headers.items())
    cpu_before = running.cpu_s()
    done = subprocess.run(
        [*client, f"http://127.0.0.1:{running.port}", "--", *script, headers],
        capture_output=True,
        text=True,
        check=False,
    )
    cpu = running.cpu_s() - cpu_before
    if done.returncode or "{" not in done.stdout:
        raise LoadFailed(f"wrk failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return _window(orjson.loads(done.stdout.splitlines()[-1]), scenario.rows, cpu)


def _window(figures: dict[str, Any], rows: int, cpu_s: float) -> Window:
    rate = figures["requests"] / figures["duration_us"] * 1e6
    return Window(
        requests_per_s=rate,
        rows_per_s=rate * rows,
        p50_ms=figures["p50_us"] / 1000,
        p99_ms=figures["p99_us"] / 1000,
        cpu_us=cpu_s / max(figures["requests"], 1) * 1e6,
        errors=sum(figures["errors"].values()),
    )
