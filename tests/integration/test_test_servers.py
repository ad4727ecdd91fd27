"""The programs the other tests stand on start, misbehave as asked, and end."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from app.registry.repository import Repository
from tests.client import message
from tests.conftest import StartServer
from tests.fault_proxy import FaultProxy
from tests.models import columns, fragile, identity, linear, slow, square_root
from tests.programs import HOST, PortTaken, Program, alive
from tests.rpc_server import RpcServer
from tests.servers import Nginx, RedisServer, Server, Sluice


def test_server_serves_the_tiny_models_and_ends(start_server: StartServer, repository: Repository) -> None:
    for tiny in (identity(), linear(), columns(), square_root(), fragile(), slow(1)):
        tiny.add(repository)
    running = start_server({"WEB_CONCURRENCY": "2"}, models=repository.root)
    assert running.get("/health/ready").json()["status"] == "ready"
    assert running.post("/v1/models/linear/predict", {"features": [1, 2]}).json()["prediction"] == 5.5
    pids = [running.pid, *running.workers]
    assert len(pids) == 3
    assert running.stop() == 0
    assert not any(map(alive, pids))


def test_redis_is_stopped_continued_killed_and_filled(redis_server: RedisServer) -> None:
    assert redis_server.call("SET", "a", "1") == "OK"
    redis_server.pause()
    redis_server.resume()
    assert redis_server.call("GET", "a") == "1"
    redis_server.config_set("maxmemory", "1")
    with pytest.raises(AssertionError, match="OOM"):
        redis_server.call("SET", "b", "1")
    redis_server.kill()
    assert not redis_server.running
    assert redis_server.start().call("GET", "a") == ""


def test_nginx_passes_requests_on(
    start_server: StartServer, repository: Repository, start_nginx: Callable[[str], Nginx]
) -> None:
    linear().add(repository)
    behind = start_server(models=repository.root)
    front = start_nginx(f"server {{ listen {{port}}; location / {{ proxy_pass http://{HOST}:{behind.port}; }} }}")
    answer = front.send(message("GET", "/health"))
    assert answer.json() == {"status": "healthy", "model_loaded": True}
    assert answer.headers["server"].startswith("nginx")


def test_proxy_delays_drops_cuts_and_heals(redis_server: RedisServer, start_proxy: Callable[[int], FaultProxy]) -> None:
    proxy = start_proxy(redis_server.port)
    assert _ping(proxy.port)
    proxy.delay(0.3)
    assert not _ping(proxy.port, timeout=0.2)
    proxy.heal()
    assert _ping(proxy.port)
    proxy.drop()
    assert not _ping(proxy.port, timeout=0.2)
    proxy.heal()
    proxy.cut()
    assert not _ping(proxy.port)
    proxy.heal()
    assert _ping(proxy.port)


@pytest.mark.parametrize("made", [Server, RpcServer, RedisServer, Nginx], ids=lambda made: made.name)
def test_a_program_whose_port_is_taken_meanwhile_starts_on_another(
    made: type[Program], repository: Repository, tmp_path: Path
) -> None:
    linear().add(repository)
    more: dict[str, object] = {"models": repository.root} if issubclass(made, Sluice) else {}
    more |= {"http": "server { listen {port}; }"} if made is Nginx else {}
    program = made(tmp_path / "program", **more)
    with socket.create_server((HOST, program.port)) as taker, program:
        assert "address already in use" in program.log.lower()
        assert program.port != taker.getsockname()[1]


def test_a_program_that_others_know_keeps_its_port(redis_server: RedisServer) -> None:
    port = redis_server.port
    redis_server.kill()
    with socket.create_server((HOST, port)), pytest.raises(PortTaken):
        redis_server.start()
    assert redis_server.start().port == port


def _ping(port: int, timeout: float = 5) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=timeout) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(100) == b"+PONG\r\n"
    except OSError:
        return False
