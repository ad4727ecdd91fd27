"""What the gRPC door tells about itself: scraped for all its processes at once, also the killed, and as statsd."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.registry.repository import Repository
from tests.contract.rpc.messages import linear as row
from tests.gatehouse import guarded, make_key
from tests.models import linear
from tests.monitors import StatsdHost, metric
from tests.programs import HOST, wait_until
from tests.rpc_server import RpcClient, RpcServer

INFER = "/inference.GRPCInferenceService/ModelInfer"
ANSWERED = {"route": INFER, "model": "linear", "version": "v1", "status": "0"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    linear().add(Repository(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def statsd() -> Iterator[StatsdHost]:
    running = StatsdHost()
    yield running
    running.close()


@pytest.fixture
def pair(tmp_path: Path, models: Path, statsd: StatsdHost) -> Iterator[RpcServer]:
    """Two processes, which tell a statsd host as well."""
    env = {"WEB_CONCURRENCY": "2", "SLUICE_STATSD_HOST": HOST, "SLUICE_STATSD_PORT": str(statsd.port)}
    with RpcServer(tmp_path / "server", env, models) as running:
        yield running


def call(server: RpcServer, times: int) -> None:
    """Each call on a connection of its own, so that both processes are met."""
    for number in range(times):
        with RpcClient(server.address) as client:
            assert client.infer(row((float(number), 1.0))).answer


def test_every_process_is_in_the_sum_also_one_that_was_killed(pair: RpcServer) -> None:
    call(pair, 20)
    assert metric(pair, "sluice_requests_total", ANSWERED) == 20
    assert metric(pair, "sluice_request_duration_seconds_count", ANSWERED) == 20
    assert metric(pair, "sluice_rows_total", {"model": "linear"}) == 20
    assert metric(pair, "sluice_workers") == 2
    folder, victim = pair.shared_folder(), pair.workers[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in pair.workers and pair.answers(), 30, "another process")
    assert metric(pair, "sluice_requests_total", ANSWERED) == 20
    call(pair, 5)
    assert metric(pair, "sluice_requests_total", ANSWERED) == 25
    wait_until(lambda: not list(folder.glob(f"*_{victim}.db")), 5, "the dead one's files to be folded into one")
    pair.stop()
    assert not folder.exists()


def test_refusals_gauges_and_what_is_not_there(pair: RpcServer) -> None:
    with RpcClient(pair.address) as client:
        assert not client.infer(row(model="nothing")).answer
    assert metric(pair, "sluice_requests_total", {"route": INFER, "status": "5", "model": ""}) == 1
    assert metric(pair, "sluice_model_served", {"model": "linear", "version": "v1"}) == 1
    assert metric(pair, "sluice_requests_in_flight") == 0
    assert metric(pair, "sluice_queue_depth") == 0
    assert pair.get("/").status == 404
    assert pair.get("/health/live").status == 404


def test_statsd_hears_of_every_call(pair: RpcServer, statsd: StatsdHost) -> None:
    call(pair, 12)
    name = "sluice.requests.inference_GRPCInferenceService_ModelInfer.0.linear.v1"

    def heard() -> int:
        return sum(int(line.split(":")[1].split("|")[0]) for line in statsd.lines if line.startswith(name))

    wait_until(lambda: heard() == 12, 5, "twelve calls")
    assert len([line for line in statsd.lines if line.startswith(name.replace("requests", "latency", 1))]) == 12


def test_scrapes_pass_the_gate(tmp_path: Path, models: Path) -> None:
    viewer, predictor = make_key(tmp_path / "data", "viewer"), make_key(tmp_path / "data", "predictor")
    limited = make_key(tmp_path / "data", "viewer", "--model", "linear")
    with RpcServer(tmp_path / "server", guarded(tmp_path / "data"), models) as server:
        refused = server.get("/metrics")
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert server.get("/metrics", predictor.header).status == 403
        assert server.get("/metrics", limited.header).status == 403, "they tell of every model"
        assert server.get("/metrics", viewer.header).status == 200
        assert server.get("/metrics", {"Authorization": f"Bearer {viewer.key}"}).status == 200
        audit = (tmp_path / "data" / "audit.jsonl").read_text()
        assert audit.count('"action":"metrics:read"') == 3


def test_scrapers_that_say_nothing_stop_nobody(pair: RpcServer) -> None:
    silent = [socket.create_connection((HOST, pair.metrics_port)) for _ in range(40)]
    try:
        assert pair.get("/metrics").status == 200
        silent[0].settimeout(20)
        assert silent[0].recv(1) == b"", "after a while it is hung up on"
    finally:
        for one in silent:
            one.close()


def test_it_can_be_nowhere(tmp_path: Path, models: Path) -> None:
    with RpcServer(tmp_path / "server", {"SLUICE_GRPC_METRICS_PORT": "0"}, models) as server:
        with pytest.raises(ConnectionRefusedError):
            server.get("/metrics")
        call(server, 1)
