"""``python benchmarks/grpc_race.py``: one row over gRPC, this server beside MLServer, window after window in turn."""

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import grpc

from app.rpc.protocol.open_inference_pb2 import ModelInferResponse
from benchmarks.contenders import HERE, ROOT, WORKERS, Contender
from benchmarks.environment import BUILD, Environment, EnvironmentFailed, installed
from benchmarks.grpc_load import METHOD, messages
from benchmarks.load import Window
from benchmarks.process import Running, ServerFailed, free_port
from benchmarks.race import Race
from benchmarks.report import keep, section, surroundings, table, verdicts
from benchmarks.scenarios import Goal, Scenario
from benchmarks.workload import Workload, build_workload

MLSERVER = Environment("bench-mlserver", HERE / "mlserver.txt")
START_LIMIT_S = 90.0
CLIENTS = 2
CALLERS = 8

SCENARIO = Scenario(
    "grpc_one_row",
    "One row per gRPC call, every row different",
    rows=1,
    connections=CLIENTS * CALLERS,
    contenders=("sluice", "mlserver"),
    goals=(Goal("mlserver", "requests_per_s", 2.0),),
)


def _unread(answer: dict[str, Any]) -> list[float]:
    raise NotImplementedError(f"answers over gRPC are no JSON: {answer}")


def contenders(workload: Workload) -> dict[str, Contender]:
    """Who takes part, by name. MLServer answers fastest with the model in its own process, so it has it there."""
    ours = {
        "SLUICE_MODELS_DIR": str(workload.repository),
        "SLUICE_DEPLOYMENT_FILE": str(workload.deployment_file),
        "SLUICE_DATA_DIR": str(workload.repository.parent / "var"),
        "SLUICE_LOG_FORMAT": "json",
        "SLUICE_AUTH": "off",
        "WEB_CONCURRENCY": str(WORKERS),
    }
    theirs = {
        "MLSERVER_MODEL_NAME": workload.model_name,
        "MLSERVER_MODEL_IMPLEMENTATION": "onnx_runtime.OnnxModel",
        "MLSERVER_MODEL_URI": str(workload.model_file),
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_PARALLEL_WORKERS": "0",
        "MLSERVER_DEBUG": "false",
        "PYTHONPATH": ".",
    }
    start = ("-c", "from mlserver.cli import main; main()", "start", ".")
    folder = HERE / "rivals" / "mlserver"
    both = (
        Contender("sluice", "Sluice, everything on", ("-m", "app.rpc"), "", "", _unread, ROOT, None, ours),
        Contender("mlserver", "MLServer, onnxruntime inside", start, "", "", _unread, folder, MLSERVER, theirs),
    )
    return {each.name: each for each in both}


def started(contender: Contender, workload: Workload, folder: Path) -> Running:
    """Start it and wait until it answers as the model does.

    Raises:
        ServerFailed: it ended, took too long, or answers something else.
    """
    port, log = free_port(), folder / f"grpc-{contender.name}.log"
    ports = {"SLUICE_GRPC_PORT": str(port), "MLSERVER_GRPC_PORT": str(port)}
    ports |= {"MLSERVER_HTTP_PORT": str(free_port()), "MLSERVER_METRICS_PORT": str(free_port())}
    with log.open("wb") as sink:
        process = subprocess.Popen(
            contender.argv(),
            cwd=contender.folder,
            env={**os.environ, "ORT_DISABLE_TELEMETRY": "1", **contender.variables, **ports},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    running = Running(contender, process, port, log)
    try:
        _await(running, workload)
    except BaseException:
        running.stop()
        raise
    return running


def _await(running: Running, workload: Workload) -> None:
    until = time.monotonic() + START_LIMIT_S
    while not _answers(running, workload):
        if running.process.poll() is not None or time.monotonic() > until:
            words = running.log.read_text(errors="replace")[-1500:]
            raise ServerFailed(f"{running.contender.name} did not start:\n{words}")
        time.sleep(0.2)


def _answers(running: Running, workload: Workload) -> bool:
    """Whether it gives two probabilities that add up to one; False while there is no answer at all."""
    with grpc.insecure_channel(f"127.0.0.1:{running.port}") as channel:
        try:
            raw = channel.unary_unary(METHOD)(messages(workload.model_name, 0)[0], timeout=5)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                return False
            raise ServerFailed(f"{running.contender.name}: {error.code().name}: {error.details()}") from None
    answer = ModelInferResponse.FromString(raw)
    names = [output.name for output in answer.outputs]
    if "probabilities" not in names:
        raise ServerFailed(f"{running.contender.name} answered {names}")
    return True


def window(running: Running, model: str, number: int, seconds: float) -> Window:
    """One window of load from ``CLIENTS`` processes at once."""
    before = running.cpu_s()
    clients = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.grpc_load", str(running.port), model, str(seconds), str(CALLERS), seed],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in (str(number * CLIENTS + at + 1) for at in range(CLIENTS))
    ]
    told = [json.loads(client.communicate(timeout=seconds + 60)[0].splitlines()[-1]) for client in clients]
    requests = sum(one["requests"] for one in told)
    rate = sum(one["requests"] / one["seconds"] for one in told)
    return Window(
        requests_per_s=rate,
        rows_per_s=rate,
        p50_ms=max(one["p50_ms"] for one in told),
        p99_ms=max(one["p99_ms"] for one in told),
        cpu_us=(running.cpu_s() - before) / max(requests, 1) * 1e6,
        errors=sum(one["errors"] for one in told),
    )


def main() -> int:
    """Exit status 1 when any call failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="windows of load per server (default 7)")
    parser.add_argument("--seconds", type=float, default=3, help="length of a window (default 3)")
    parser.add_argument("--no-save", action="store_true", help="leave RESULTS.md as it is")
    options = parser.parse_args()
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    MLSERVER.ensure()
    workload = build_workload(folder)
    everyone = contenders(workload)
    around = surroundings(installed(sys.executable) | MLSERVER.versions())
    with ExitStack() as stack:
        servers: dict[str, Running] = {}
        for name in SCENARIO.contenders:
            servers[name] = started(everyone[name], workload, folder)
            stack.callback(servers[name].stop)
            window(servers[name], workload.model_name, 0, 2)
        windows: dict[str, list[Window]] = {name: [] for name in servers}
        for number in range(1, options.rounds + 1):
            for name in sorted(servers, reverse=bool(number % 2)):
                windows[name].append(window(servers[name], workload.model_name, number, options.seconds))
    race = Race(SCENARIO, windows)
    print(f"\n{SCENARIO.title}\n\n{table(race, everyone)}\n", *verdicts(race), sep="\n", flush=True)
    if not options.no_save:
        command = f"python benchmarks/grpc_race.py --rounds {options.rounds} --seconds {options.seconds:g}"
        keep(SCENARIO.name, section(race, everyone, around, command))
    return 1 if race.errors else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (EnvironmentFailed, ServerFailed) as error:
        sys.exit(f"bench: {error}")
