"""Workers come and go, and nobody who asks notices."""

import os
import resource
import signal
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.processors import DESCRIPTORS
from app.registry.repository import Repository
from tests.client import Answer, exchange, message, read_answer
from tests.conftest import StartServer
from tests.load import Load
from tests.models import linear, slow
from tests.programs import HOST, wait_until
from tests.servers import Server, wait_for_log

ASK = message("POST", "/v1/models/linear/predict", {"features": [1, 2]}, {"Connection": "keep-alive"})


@pytest.fixture
def pair(start_server: StartServer, repository: Repository) -> Server:
    """Two workers over ``linear``, without a cache."""
    linear().add(repository)
    return start_server({"WEB_CONCURRENCY": "2", "SLUICE_CACHE": "off"}, models=repository.root)


def connections(server: Server) -> list[int]:
    """How many each worker has, as the kernel sees it."""
    inodes = _established(server.port)
    return [sum(_target(link) in inodes for link in Path(f"/proc/{pid}/fd").iterdir()) for pid in server.workers]


def _established(port: int) -> set[str]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if row[3] == "01" and int(row[1].rpartition(":")[2], 16) == port}


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def evenly(server: Server, total: int) -> bool:
    shared = connections(server)
    return len(shared) == 2 and sum(shared) >= total - 1 and min(shared) >= total * 3 // 8


def test_connections_are_shared_out_evenly_also_with_one_who_comes_later(pair: Server) -> None:
    load = Load(pair.port, connections=16, rate=160).start()
    for _ in range(2):
        wait_until(lambda: evenly(pair, 16), 10, f"an even share, not {connections(pair)}")
        pair.signal(signal.SIGHUP)
        before = set(pair.workers)
        wait_until(lambda old=before: not set(pair.workers) & old and len(pair.workers) == 2, 40, "new workers")  # type: ignore[misc]
    victim = pair.workers[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in pair.workers and len(pair.workers) == 2, 20, "a successor")
    wait_until(lambda: evenly(pair, 16), 10, f"an even share with the successor, not {connections(pair)}")
    outcome = load.stop()
    assert len(outcome.wrong) <= 16, "only what the killed one was working on"


def test_a_reload_loses_nobody_without_a_proxy_either(pair: Server) -> None:
    load = Load(pair.port, connections=4, rate=200).start()
    for _ in range(3):
        before = set(pair.workers)
        pair.signal(signal.SIGHUP)
        wait_until(lambda old=before: not set(pair.workers) & old and len(pair.workers) == 2, 40, "new workers")  # type: ignore[misc]
    outcome = load.stop()
    assert outcome.wrong == []
    assert pair.log.count("worker_ready") == 8


def test_workers_that_retire_after_so_many_requests_lose_nobody(
    start_server: StartServer, repository: Repository
) -> None:
    linear().add(repository)
    tired = start_server({"WEB_CONCURRENCY": "2", "SLUICE_MAX_REQUESTS": "100"}, models=repository.root)
    load = Load(tired.port, connections=4, rate=200).start()
    wait_until(lambda: tired.log.count("worker_retires") >= 3, 60, "three to retire")
    assert load.stop().wrong == []


def test_a_worker_that_cannot_start_ends_nobody_else(
    start_server: StartServer, repository: Repository, tmp_path: Path
) -> None:
    """Gunicorn would end the server. A file is edited, and then a worker is killed: nobody looked at the file."""
    linear().add(repository)
    deployment = tmp_path / "deployment.yaml"
    deployment.write_text("default_model: linear\n")
    env = {"SLUICE_DEPLOYMENT_FILE": str(deployment), "WEB_CONCURRENCY": "2"}
    server = start_server(env, models=repository.root)
    deployment.write_text("default_modell: linear\n")
    victim = server.workers[0]
    os.kill(victim, signal.SIGKILL)
    load = Load(server.port, connections=2, rate=50).start()
    wait_until(lambda: server.log.count("worker_failed_to_start") >= 2, 30, "two attempts")
    deployment.write_text("default_model: linear\n")
    wait_until(lambda: server.log.count('"event":"worker_ready"') == 3, 30, "a successor")
    assert load.stop().wrong == []
    assert "default_modell" in server.log


CREDENTIALS = """
from pathlib import Path

def make():
    return Path(__file__).with_name("token").read_text() and None
"""


def test_a_reload_whose_workers_cannot_start_leaves_the_old_ones(
    start_server: StartServer, repository: Repository, tmp_path: Path
) -> None:
    """Something no check of files finds: code of the operator's that fails."""
    linear().add(repository)
    (tmp_path / "theirs.py").write_text(CREDENTIALS)
    (tmp_path / "token").write_text("x")
    env = {"PYTHONPATH": str(tmp_path), "SLUICE_REDIS_CREDENTIALS": "theirs:make", "WEB_CONCURRENCY": "2"}
    env |= {"SLUICE_REDIS_URL": f"redis://{HOST}:1/0", "SLUICE_GRACEFUL_TIMEOUT": "3"}
    server = start_server(env, models=repository.root)
    before = set(server.workers)
    (tmp_path / "token").unlink()
    load = Load(server.port, connections=2, rate=50).start()
    server.signal(signal.SIGHUP)
    wait_until(lambda: server.log.count("exited with code 1") == 2, 30, "both to have given up")
    assert set(server.workers) == before
    (tmp_path / "token").write_text("x")
    server.signal(signal.SIGHUP)
    wait_until(lambda: not before & set(server.workers) and len(server.workers) == 2, 40, "new workers")
    assert load.stop().wrong == []
    assert "FileNotFoundError" in server.log


def test_a_reload_of_a_file_with_a_mistake_is_refused(
    start_server: StartServer, repository: Repository, tmp_path: Path
) -> None:
    linear().add(repository)
    deployment = tmp_path / "deployment.yaml"
    deployment.write_text("default_model: linear\n")
    server = start_server({"SLUICE_DEPLOYMENT_FILE": str(deployment)}, models=repository.root)
    before = server.workers
    deployment.write_text("default_modell: linear\n")
    server.signal(signal.SIGHUP)
    wait_for_log(server, "reload_refused")
    assert "default_modell" in server.log
    assert server.post("/predict", {"features": [1, 2]}).json()["prediction"] == 5.5
    assert server.workers == before
    deployment.write_text("default_model: linear\n")
    server.signal(signal.SIGHUP)
    wait_until(lambda: bool(server.workers) and not set(server.workers) & set(before), 30, "new workers")
    assert server.post("/predict", {"features": [1, 2]}).json()["prediction"] == 5.5


class Asker(threading.Thread):
    """Asks one thing and keeps the answer."""

    def __init__(self, server: Server, raw: bytes) -> None:
        super().__init__()
        self._server = server
        self._raw = raw
        self.answer: Answer | None = None
        self.start()

    def run(self) -> None:
        self.answer = self._server.send(self._raw, 60)


def test_the_end_is_announced_and_everything_in_flight_is_answered(
    start_server: StartServer, repository: Repository
) -> None:
    linear().add(repository)
    slow(2500).add(repository)
    env = {"WEB_CONCURRENCY": "2", "SLUICE_CACHE": "off", "SLUICE_DRAIN_SECONDS": "2"}
    server = start_server(env, models=repository.root)
    raw = message("POST", "/v1/models/slow/predict", {"features": [1]})
    begun = exchange(HOST, server.port, raw, 60).seconds
    assert begun > 0.2, "slow enough to be in flight when the end comes"
    asking = [Asker(server, raw) for _ in range(4)]
    wait_until(lambda: sum(connections(server)) >= 4, 5, "four requests in flight")
    server.signal(signal.SIGTERM)
    wait_until(lambda: server.get("/health/ready").status == 503, 2, "readiness to fail")
    assert server.get("/health/live").status == 200
    assert server.send(ASK.replace(b"keep-alive", b"close")).json()["prediction"] == 5.5, "still taken while draining"
    late = Asker(server, raw)
    for asker in [*asking, late]:
        asker.join(60)
        assert asker.answer is not None
        assert asker.answer.status == 200
        assert asker.answer.json()["prediction"] == 1
    wait_until(lambda: not server.running, 20, "the end")
    with pytest.raises(ConnectionRefusedError):
        server.get("/health/live")
    assert server.stop() == 0


def test_a_worker_that_can_open_nothing_more_goes_on_with_what_it_has(pair: Server) -> None:
    """Gunicorn's would end, and everybody it serves with it, at its 1,000th idle connection in most shells."""
    before = set(pair.workers)
    for pid in before:
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        assert soft in (resource.RLIM_INFINITY, hard) or soft >= DESCRIPTORS, "as many as there can be, within reason"
    with socket.create_connection((HOST, pair.port), timeout=10) as first, ExitStack() as crowd:
        first.sendall(ASK)
        assert read_answer(first).status == 200
        for pid in before:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(list(Path(f"/proc/{pid}/fd").iterdir())) + 4,) * 2)
        for _ in range(20):
            crowd.enter_context(socket.create_connection((HOST, pair.port), timeout=10))
        wait_for_log(pair, "connection_left_waiting")
        first.sendall(ASK)
        assert read_answer(first).status == 200
    assert exchange(HOST, pair.port, ASK.replace(b"keep-alive", b"close")).status == 200
    assert set(pair.workers) == before


def test_an_answer_leaves_in_one_piece(pair: Server) -> None:
    """A worker that is killed between head and body would leave half an answer, which nobody can ask for again."""
    with socket.create_connection((HOST, pair.port), timeout=10) as connection:
        for _ in range(20):
            connection.sendall(ASK)
            piece = connection.recv(65536)
            head, _, body = piece.partition(b"\r\n\r\n")
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            assert len(body) == int(length.partition(b":")[2])
