"""Every way to a Redis that SLUICE_REDIS_URL can name, each against a real server."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.registry.repository import Repository
from tests.caching import ask, deployment, source, stats
from tests.certificates import self_signed
from tests.models import linear
from tests.programs import HOST, ROOT, free_port, wait_until
from tests.servers import RedisServer, Server

FAR_ONLY = "cache: {l1: off, l2: on}\n"


def _assert_shared(folder: Path, url: str, **more: str) -> Server:
    """Two servers on that URL: what one computes, the other has; both tell the same. The first is returned, stopped."""
    (folder / "models").mkdir()
    linear().add(Repository(folder / "models"))
    env = {"SLUICE_REDIS_URL": url, **more} | deployment(folder, FAR_ONLY)
    with (
        Server(folder / "one", env, folder / "models") as one,
        Server(folder / "other", env, folder / "models") as other,
    ):
        assert source(ask(one, 1, 2)) == "miss"
        wait_until(lambda: source(ask(other, 1, 2)) == "hit-l2", 5, "the other's entry")
        assert one.post("/v1/models/linear/predict", {"instances": [[1, 2], [3, 4], [5, 6]]}).status == 200
        wait_until(lambda: stats(one)["total_requests"] == stats(other)["total_requests"] >= 5, 5, "the same figures")
        assert stats(one)["store"]["keys"] >= 3
        assert one.get("/health/ready").json()["dependencies"]["redis"] == "up"
    return one


def test_a_password(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", password="open-sesame") as redis:
        server = _assert_shared(tmp_path, redis.url)
        assert "open-sesame" not in server.log


def test_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with RedisServer(tmp_path / "redis", options={"unixsocket": str(path)}):
        _assert_shared(tmp_path, f"unix://{path}?db=3")


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[RedisServer, Path]]:
    certificate, key = self_signed(tmp_path)
    options = {
        "port": "0",
        "tls-port": "{port}",
        "tls-cert-file": str(certificate),
        "tls-key-file": str(key),
        "tls-ca-cert-file": str(certificate),
        "tls-auth-clients": "no",
    }
    with RedisServer(tmp_path / "redis", options=options, cli=["--tls", "--cacert", str(certificate)]) as redis:
        yield redis, certificate


def test_tls_with_a_certificate_of_ones_own(tls: tuple[RedisServer, Path], tmp_path: Path) -> None:
    redis, certificate = tls
    _assert_shared(tmp_path, f"rediss://{HOST}:{redis.port}/0?ssl_ca_certs={certificate}")


def test_a_certificate_nobody_vouches_for_is_not_trusted(tls: tuple[RedisServer, Path], tmp_path: Path) -> None:
    redis, _ = tls
    (tmp_path / "models").mkdir()
    linear().add(Repository(tmp_path / "models"))
    env = {"SLUICE_REDIS_URL": f"rediss://{HOST}:{redis.port}/0"} | deployment(tmp_path, FAR_ONLY)
    with Server(tmp_path / "server", env, tmp_path / "models") as server:
        assert source(ask(server, 1, 2)) == "miss"
        assert server.get("/health/ready").json()["dependencies"]["redis"] == "down"


class Node(RedisServer):
    """One of a cluster, with a port of its own choice to talk to the others: the usual one, 10,000 up, may be taken."""

    def choose_ports(self) -> None:
        """For callers, and for the other nodes."""
        super().choose_ports()
        self.bus = free_port()

    def command(self) -> Sequence[str]:
        """Joined by nobody yet."""
        options = {"cluster-enabled": "yes", "cluster-node-timeout": "2000", "cluster-announce-ip": HOST}
        more = options | {"cluster-port": str(self.bus)}
        return [*super().command(), *(word for name, value in more.items() for word in (f"--{name}", value))]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[Node]]:
    """Three nodes, each with a third of the slots."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(Node(tmp_path / f"node-{number}")) for number in range(3)]
        for number, node in enumerate(nodes):
            node.call(
                "CLUSTER", "ADDSLOTSRANGE", str(number * 5461), str(16383 if number == 2 else number * 5461 + 5460)
            )
            node.call("CONFIG", "SET", "cluster-require-full-coverage", "no")
            for other in nodes:
                node.call("CLUSTER", "MEET", HOST, str(other.port), str(other.bus))
        wait_until(lambda: all(_whole(node) for node in nodes), 20, "the cluster to form")
        yield nodes


def _whole(node: RedisServer) -> bool:
    info = node.call("CLUSTER", "INFO")
    return "cluster_state:ok" in info and "cluster_known_nodes:3" in info and "cluster_slots_assigned:16384" in info


def test_a_cluster(cluster: list[Node], tmp_path: Path) -> None:
    _assert_shared(tmp_path, f"redis+cluster://{HOST}:{cluster[0].port}/0")
    assert sum(int(node.call("DBSIZE")) for node in cluster) >= 3


def test_a_cluster_that_loses_a_node_loses_no_answer(cluster: list[Node], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    linear().add(Repository(tmp_path / "models"))
    env = {"SLUICE_REDIS_URL": f"redis+cluster://{HOST}:{cluster[0].port}/0"} | deployment(tmp_path, FAR_ONLY)
    with Server(tmp_path / "server", env, tmp_path / "models") as server:
        for row in range(30):
            ask(server, row, 1)
        cluster[1].kill()
        for row in range(60):
            ask(server, row, 1)
        rows = [[row, 1] for row in range(60)]
        answer = server.post("/v1/models/linear/predict", {"instances": rows}).json()
        assert [row["prediction"] for row in answer["predictions"]] == [row + 2.5 for row in range(60)]


_PROVIDER = '''
"""Credentials as a token service hands them out."""
from redis.credentials import CredentialProvider

class Provider(CredentialProvider):
    def get_credentials(self):
        return "sluice", open(PATH).read()

def make():
    return Provider()
'''


def test_a_provider_of_credentials(tmp_path: Path) -> None:
    """An ACL user whose password changes while the server runs, as tokens of Entra ID do."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    token = tmp_path / "token"
    token.write_text("first")
    (folder / "vault.py").write_text(_PROVIDER.replace("PATH", repr(str(token))))
    with RedisServer(tmp_path / "redis") as redis:
        redis.call("ACL", "SETUSER", "sluice", "on", ">first", "~*", "+@all")
        redis.call("ACL", "SETUSER", "default", "+@all", "-get", "-mget", "-set", "-hset", "-hgetall")
        more = {"SLUICE_REDIS_CREDENTIALS": "vault:make", "PYTHONPATH": f"{folder}:{ROOT}"}
        _assert_shared(tmp_path, redis.url, **more)
        env = {"SLUICE_REDIS_URL": redis.url, **more} | deployment(tmp_path, FAR_ONLY)
        with Server(tmp_path / "third", env, tmp_path / "models") as server:
            assert source(ask(server, 1, 2)) == "hit-l2"
            token.write_text("second")
            redis.call("ACL", "SETUSER", "sluice", "resetpass", ">second")
            redis.call("CLIENT", "KILL", "USER", "sluice")
            wait_until(lambda: source(ask(server, 1, 2)) == "hit-l2", 5, "the new token to be used")


@pytest.mark.parametrize(
    ("path", "words"),
    [("nowhere:make", "No module named 'nowhere'"), ("json:make", "has no attribute 'make'")],
)
def test_credentials_that_cannot_be_found_stop_the_start(tmp_path: Path, path: str, words: str) -> None:
    server = Server(tmp_path / "server", {"SLUICE_REDIS_URL": "redis://127.0.0.1:1", "SLUICE_REDIS_CREDENTIALS": path})
    server.launch().wait(30)
    assert "SLUICE_REDIS_CREDENTIALS" in server.log
    assert words in server.log
