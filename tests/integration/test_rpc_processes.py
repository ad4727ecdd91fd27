"""Several processes behind one gRPC port: started, killed, replaced and ended while calls are under way."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode

from app.registry.repository import Repository
from app.rpc.protocol import open_inference_pb2 as pb
from tests.models import linear, slow
from tests.programs import ROOT, alive, wait_until
from tests.rpc_server import RpcClient, RpcServer
from tests.servers import is_healthy


@pytest.fixture
def models(tmp_path: Path) -> Path:
    repository = Repository(tmp_path / "models")
    repository.root.mkdir()
    linear().add(repository)
    slow(1500).add(repository)
    return repository.root


@pytest.fixture
def two(tmp_path: Path, models: Path) -> Iterator[RpcServer]:
    """Two processes behind the port."""
    with RpcServer(tmp_path / "server", {"WEB_CONCURRENCY": "2"}, models) as running:
        yield running


def row(model: str = "linear", value: float = 1.0) -> pb.ModelInferRequest:
    asked = pb.ModelInferRequest(model_name=model)
    width = 2 if model == "linear" else 1
    asked.inputs.add(name="X", datatype="FP32", shape=[1, width]).contents.fp32_contents.extend([value] * width)
    return asked


def listening(pid: int) -> int:
    """How many sockets a process listens on."""
    lines = [line for kind in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]]
    inodes = {f"socket:[{line.split()[9]}]" for line in lines if line.split()[3] == "0A"}
    return sum(str(fd.readlink()) in inodes for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink())


def test_each_process_listens_and_has_its_models(two: RpcServer) -> None:
    assert len(two.workers) == 2
    assert [listening(pid) for pid in two.workers] == [2, 2], "calls, and scrapes"
    assert listening(two.pid) == 0
    assert two.log.count('"event":"model_loaded"') == 2 * 2
    assert is_healthy(two)


def test_killed_processes_are_replaced_and_nobody_notices(two: RpcServer) -> None:
    """A client that retries what never reached a model, as docs/grpc.md shows, sees no failure."""
    retrying = (
        '{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s",'
        ' "maxBackoff": "2s", "backoffMultiplier": 3, "retryableStatusCodes": ["UNAVAILABLE"]}}]}'
    )
    codes: Counter[str] = Counter()
    stop = threading.Event()

    def call_steadily() -> None:
        options = [("grpc.service_config", retrying), ("grpc.enable_retries", 1)]
        options += [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 100)]
        with RpcClient(two.address, options=options) as client:
            while not stop.is_set():
                codes[client.infer(row()).code.name] += 1

    callers = [threading.Thread(target=call_steadily) for _ in range(4)]
    for caller in callers:
        caller.start()
    first = set(two.workers)
    for kills in range(1, 5):
        victim = two.workers[kills % 2]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda victim=victim: victim not in two.workers and len(two.workers) == 2, 20, "a new process")
        wait_until(lambda kills=kills: two.log.count("rpc_ready") >= 2 + kills, 30, "it to listen")
    stop.set()
    for caller in callers:
        caller.join(30)
    assert set(two.workers) != first
    assert set(codes) == {"OK"}, codes
    assert codes["OK"] > 100


def test_term_answers_what_is_in_flight(two: RpcServer) -> None:
    found: list[StatusCode] = []

    def ask(number: int) -> None:
        with RpcClient(two.address) as client:
            found.append(client.infer(row("slow", float(number))).code)

    callers = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for caller in callers:
        caller.start()
    time.sleep(0.3)
    children = two.workers
    assert two.stop() == 0
    for caller in callers:
        caller.join(30)
    assert found == [StatusCode.OK] * 6
    assert not any(map(alive, children))


def test_calls_longer_than_the_grace_are_cut(tmp_path: Path, models: Path) -> None:
    server = RpcServer(tmp_path / "server", {"SLUICE_GRACEFUL_TIMEOUT": "1"}, models).start()
    long = row("slow")
    long.inputs[0].shape[:] = [400, 1]
    long.inputs[0].contents.fp32_contents.extend([1.0] * 399)
    with RpcClient(server.address) as client:
        codes: list[StatusCode] = []
        callers = [threading.Thread(target=lambda: codes.append(client.infer(long).code)) for _ in range(8)]
        for caller in callers:
            caller.start()
        time.sleep(0.3)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 10
        for caller in callers:
            caller.join(30)
    assert set(codes) <= {StatusCode.OK, StatusCode.UNAVAILABLE, StatusCode.CANCELLED}


def test_processes_end_with_their_supervisor(two: RpcServer) -> None:
    children = two.workers
    two.kill()
    wait_until(lambda: not any(map(alive, children)), 10, "the processes to end")
    assert len(children) == 2, "there were some"


def test_a_taken_port_stops_the_start(two: RpcServer) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.rpc"],
        cwd=ROOT,
        env=dict(two.environment()),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("set HOST or SLUICE_GRPC_PORT\n")
    assert f"cannot listen on {two.address}" in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SLUICE_GRPC_PORT", "70000", "SLUICE_GRPC_PORT: '70000' cannot be used"),
        ("SLUICE_DEPLOYMENT_FILE", "/nothing", "/nothing"),
        ("HOST", "0.0.0.0", "SLUICE_AUTH"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, models: Path, name: str, value: str, says: str) -> None:
    server = RpcServer(tmp_path / "server", {name: value}, models)
    server.launch()
    wait_until(lambda: not server.running, 20, "it to end by itself")
    assert says in server.log
    assert "rpc_ready" not in server.log


def test_the_supervisor_is_small_and_rest_workers_know_no_grpc(
    two: RpcServer, start_server: Callable[..., object]
) -> None:
    rest = start_server()
    libraries = {pid: Path(f"/proc/{pid}/maps").read_text() for pid in (two.pid, *two.workers, *rest.workers)}  # type: ignore[attr-defined]
    with_grpc = {pid for pid, text in libraries.items() if "cygrpc" in text}
    assert with_grpc == set(two.workers)
    resident = int(Path(f"/proc/{two.pid}/statm").read_text().split()[1]) * 4096
    assert resident < 60 * 1024 * 1024


def test_a_channel_meets_a_restarted_server_again(tmp_path: Path, models: Path) -> None:
    """The same port, a new process: the client's channel reconnects by itself."""
    server = RpcServer(tmp_path / "server", models=models).start()
    with RpcClient(server.address) as client:
        assert client.infer(row()).code is StatusCode.OK
        server.stop()
        assert client.infer(row(), timeout=1).code in {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED}
        server.start()
        try:
            grpc.channel_ready_future(client.channel).result(20)
            assert client.infer(row()).code is StatusCode.OK
        finally:
            server.stop()
