"""``/metrics`` of a real server with several workers, some of them killed."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.registry.repository import Repository
from tests.client import message
from tests.conftest import StartServer
from tests.load import Load, Outcome
from tests.models import linear
from tests.monitors import StatsdHost, metric
from tests.programs import HOST, children, wait_until
from tests.servers import Server

PREDICT = "/v1/models/<name>/predict"


@pytest.fixture
def pair(start_server: StartServer, repository: Repository) -> Server:
    """Two workers over the model ``linear``, without a cache."""
    linear().add(repository)
    return start_server({"WEB_CONCURRENCY": "2", "SLUICE_CACHE": "off"}, models=repository.root)


def kill_one(server: Server) -> None:
    victim = server.workers[0]
    os.kill(victim, signal.SIGKILL)
    ready = server.log.count("worker_ready")
    wait_until(lambda: victim not in server.workers and len(server.workers) == 2, 20, "a new worker")
    wait_until(lambda: server.log.count("worker_ready") > ready, 20, "the new worker to be ready")


def test_every_workers_requests_are_in_the_sum_also_those_of_the_dead(pair: Server) -> None:
    asked = 0
    for round_ in range(3):
        outcome = Load(pair.port, connections=4, prefix=f"round-{round_}").run(0.5)
        assert outcome.wrong == []
        asked += len(outcome.ids)
        labels = {"route": PREDICT, "model": "linear", "version": "v1", "status": "200", "cache": "bypass"}
        assert metric(pair, "sluice_requests_total", labels) == asked
        assert metric(pair, "sluice_request_duration_seconds_count", labels) == asked
        assert metric(pair, "sluice_request_duration_seconds_bucket", labels | {"le": "+Inf"}) == asked
        assert metric(pair, "sluice_rows_total", {"model": "linear", "cache": "bypass"}) == asked
        kill_one(pair)
        assert metric(pair, "sluice_requests_total", labels) == asked, "right after a kill"
        assert metric(pair, "sluice_workers") == 2
    files = {path.name for path in pair.shared_folder().glob("*.db")}
    alive = {str(pid) for pid in pair.workers}
    assert {name.removesuffix(".db").rpartition("_")[2] for name in files} <= alive | {"0"}


def test_a_reload_keeps_the_sums_and_the_end_removes_the_folder(pair: Server) -> None:
    for _ in range(5):
        pair.post("/v1/models/linear/predict", {"features": [1, 2]})
    folder, before = pair.shared_folder(), set(pair.workers)
    pair.signal(signal.SIGHUP)
    wait_until(lambda: not set(pair.workers) & before and len(pair.workers) == 2, 30, "new workers")
    assert metric(pair, "sluice_requests_total", {"route": PREDICT}) == 5
    assert pair.shared_folder() == folder
    pair.stop()
    assert not folder.exists()


def test_what_a_killed_server_left_is_removed_by_the_next(tmp_path: Path) -> None:
    orphan, fresh = (tmp_path / "memory" / name for name in ("sluice-1-orphan", "sluice-1-fresh"))
    for folder in (orphan, fresh):
        folder.mkdir(parents=True)
    os.utime(orphan, (1, 1))
    with Server(tmp_path / "one", {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "memory")}) as running:
        assert running.shared_folder().parent == tmp_path / "memory"
        assert not orphan.exists()
        assert fresh.exists(), "that one may be starting just now"


def test_failures_are_counted_for_their_route_and_no_stranger_becomes_a_label(pair: Server) -> None:
    for number in range(20):
        assert pair.post(f"/v1/models/guess-{number}/predict", {"features": [1, 2]}).status == 404
        assert pair.get(f"/no/such/path/{number}").status == 404
    assert pair.post("/v1/models/linear/predict", {"features": ["x", 2]}).status == 422
    assert metric(pair, "sluice_requests_total", {"route": PREDICT, "status": "404", "model": ""}) == 20
    assert metric(pair, "sluice_requests_total", {"route": "", "status": "404"}) == 20
    assert metric(pair, "sluice_requests_total", {"route": PREDICT, "status": "422", "model": "linear"}) == 1
    assert b"guess" not in pair.get("/metrics").body


def test_gauges_of_models_dependencies_and_work_in_hand(pair: Server) -> None:
    assert metric(pair, "sluice_model_served", {"model": "linear", "version": "v1"}) == 1
    assert metric(pair, "sluice_degraded", {"dependency": "audit"}) == 0
    assert metric(pair, "sluice_build_info") == 1
    with socket.create_connection((HOST, pair.port)) as idle:
        idle.sendall(message("POST", "/v1/models/linear/predict", b"{", {"Content-Length": "10"}))
        wait_until(lambda: metric(pair, "sluice_requests_in_flight") >= 2, 5, "a request in hand besides the scrape")
    assert metric(pair, "sluice_queue_depth") == 0


def test_it_is_for_those_who_may_read_it(start_server: StartServer, repository: Repository) -> None:
    linear().add(repository)
    key = "bootstrap-key-for-this-test-only"
    env = {"SLUICE_AUTH": "on", "SLUICE_BOOTSTRAP_ADMIN_KEY": key, "SLUICE_KEY_PEPPER": "a pepper of sixteen"}
    guarded = start_server(env, models=repository.root)
    for _ in range(3):
        assert guarded.get("/metrics").status == 401
    answer = guarded.get("/metrics", {"X-API-Key": key})
    assert answer.status == 200
    assert b'sluice_refused_total{gate="auth",reason="unauthenticated"} 3.0' in answer.body
    assert key.encode() not in answer.body


def test_it_can_be_off(start_server: StartServer, repository: Repository) -> None:
    linear().add(repository)
    silent = start_server({"SLUICE_METRICS": "off"}, models=repository.root)
    assert silent.post("/v1/models/linear/predict", {"features": [1, 2]}).status == 200
    assert silent.get("/metrics").status == 404


@pytest.fixture
def statsd_host() -> Iterator[StatsdHost]:
    running = StatsdHost()
    yield running
    running.close()


def test_statsd_hears_of_every_request(
    start_server: StartServer, repository: Repository, statsd_host: StatsdHost
) -> None:
    linear().add(repository)
    env = {"SLUICE_STATSD_HOST": HOST, "SLUICE_STATSD_PORT": str(statsd_host.port), "SLUICE_STATSD_TAGS": "on"}
    server = start_server(env | {"WEB_CONCURRENCY": "2", "SLUICE_CACHE": "off"}, models=repository.root)
    asked = len(Load(server.port, connections=4).run(0.5).ids)
    tags = "route:v1_models_name_predict,status:200,model:linear,version:v1,cache:bypass"

    def heard() -> int:
        counts = [line for line in statsd_host.lines if line.startswith("sluice.requests:") and line.endswith(tags)]
        return sum(int(line.split(":")[1].split("|")[0]) for line in counts)

    def timed() -> int:
        return sum(line.startswith("sluice.latency:") and line.endswith(tags) for line in statsd_host.lines)

    wait_until(lambda: (heard(), timed()) == (asked, asked), 5, f"{asked} requests and how long each took")
    assert asked > 100


def _p99(run: Callable[[], Outcome]) -> float:
    outcome = run()
    assert outcome.wrong == []
    return outcome.percentile(0.99)


def test_a_statsd_host_that_does_not_exist_costs_nothing(start_server: StartServer, repository: Repository) -> None:
    linear().add(repository)
    plain = start_server(models=repository.root)
    lost = start_server({"SLUICE_STATSD_HOST": "no-such-host.invalid"}, models=repository.root)
    servers = {"plain": plain, "lost": lost}
    best = dict.fromkeys(servers, 1.0)
    for turn in range(8):  # the best of each, and no more turns than it takes: the machine has other work too
        if turn >= 2 and best["lost"] <= best["plain"] + 0.001:
            break
        for name, server in servers.items():
            best[name] = min(best[name], _p99(lambda port=server.port: Load(port, 2, rate=150).run(1)))  # type: ignore[misc]
    assert best["lost"] <= best["plain"] + 0.001, best
    assert metric(lost, "sluice_degraded", {"dependency": "statsd"}) == 1
    wait_until(lambda: metric(lost, "sluice_dropped_total", {"what": "statsd"}) > 0, 10, "drops to be counted")
    assert children(lost.pid)
