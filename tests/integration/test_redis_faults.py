"""Redis fails in every way we know, under load: nobody notices but the gauge, and it heals by itself.

Each fault lasts ``FAULT_SECONDS``; SLUICE_TEST_FAULT_SECONDS=30 makes it the half minute of the full run.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import pytest

from app.registry.repository import Repository
from tests.caching import ask, deployment, shared_by, source, stats
from tests.fault_proxy import FaultProxy
from tests.load import Load, Outcome, Question, linear_question
from tests.models import linear
from tests.programs import HOST, free_port, wait_until
from tests.servers import RedisServer, Server

FAULT_SECONDS = float(os.environ.get("SLUICE_TEST_FAULT_SECONDS", "3"))
HEAL_SECONDS = 5.0
CONNECTIONS = 8
RATE = 120.0

MOST_DOWN = 10
"""One per worker, and a few for a machine so busy that a healthy Redis needs more than 50 ms now and then."""

QUIET = 0.1
"""The quickest tenth of the answers: whoever pays a time-out each time has none, however busy the machine is."""

_OVERWRITE = (
    "for _, key in ipairs(redis.call('KEYS', 'sluice:*')) do redis.call('DEL', key) redis.call('RPUSH', key, 'x') end"
)


@dataclass
class Scene:
    """A server of two workers behind a proxy that leads to a Redis; tier 1 is off, so every row asks Redis."""

    redis: RedisServer
    proxy: FaultProxy
    server: Server

    def health(self) -> set[str]:
        """What the workers say of Redis; each connection may meet another."""
        return {self.server.get("/health/ready").json()["dependencies"]["redis"] for _ in range(8)}

    def set_password(self, password: str) -> None:
        self.redis.call("CONFIG", "SET", "requirepass", password)
        self.redis._password = password or None
        self.redis.call("CLIENT", "KILL", "TYPE", "normal")


@contextmanager
def _staged(tmp_path: Path, patience: str = "") -> Iterator[Scene]:
    (tmp_path / "models").mkdir()
    linear().add(Repository(tmp_path / "models"))
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(tmp_path / "redis"))
        proxy = stack.enter_context(FaultProxy(redis.port))
        env = shared_by(redis, WEB_CONCURRENCY="2", SLUICE_REDIS_URL=f"redis://{HOST}:{proxy.port}/0{patience}")
        env |= deployment(tmp_path, "cache: {l1: off, l2: on}\n")
        yield Scene(redis, proxy, stack.enter_context(Server(tmp_path / "server", env, tmp_path / "models")))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with _staged(tmp_path) as staged:
        yield staged


@dataclass(frozen=True)
class Fault:
    """How it begins and ends, what the gauge then says, and whether it is done again and again."""

    begin: Callable[[Scene], object]
    end: Callable[[Scene], object]
    gauge: str
    again: bool = False

    @property
    def patience(self) -> str:
        """Where Redis goes on answering, a time-out would only tell of a busy machine: the address allows more."""
        return "" if self.gauge == "down" else "?socket_timeout=2&socket_connect_timeout=2"


FAULTS = {
    "killed": Fault(lambda at: at.redis.kill(), lambda at: at.redis.start(), "down"),
    "stopped": Fault(lambda at: at.redis.pause(), lambda at: at.redis.resume(), "down"),
    "slow": Fault(lambda at: at.proxy.delay(0.2), lambda at: at.proxy.heal(), "down"),
    "silent": Fault(lambda at: at.proxy.drop(), lambda at: at.proxy.heal(), "down"),
    "cut": Fault(lambda at: at.proxy.cut(), lambda at: at.proxy.heal(), "down"),
    "full": Fault(
        lambda at: at.redis.config_set("maxmemory", "1"), lambda at: at.redis.config_set("maxmemory", "0"), "read-only"
    ),
    "read-only": Fault(
        lambda at: at.redis.call("REPLICAOF", HOST, str(free_port())),
        lambda at: at.redis.call("REPLICAOF", "NO", "ONE"),
        "read-only",
    ),
    "locked": Fault(lambda at: at.set_password("another"), lambda at: at.set_password(""), "down"),
    "overwritten": Fault(lambda at: at.redis.call("EVAL", _OVERWRITE, "0"), lambda at: None, "up", again=True),
    "flushed": Fault(lambda at: at.redis.flush(), lambda at: None, "up", again=True),
}


def _repeating(number: int) -> Question:
    """Rows come again, so that answers from Redis are among those that are checked."""
    return linear_question(number % 400)


def _load(scene: Scene) -> Load:
    return Load(scene.server.port, CONNECTIONS, RATE, _repeating).start()


def _unharmed(outcome: Outcome, seconds: float) -> None:
    assert outcome.wrong == []
    assert len(outcome.ids) > 0.3 * RATE * seconds


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.timeout(300)
def test_no_answer_is_lost_or_wrong_and_it_heals(tmp_path: Path, name: str) -> None:
    fault = FAULTS[name]
    with _staged(tmp_path, fault.patience) as scene:
        healthy = Load(scene.server.port, CONNECTIONS, RATE, _repeating).run(2)
        suffered = _suffered(scene, fault)
        _heal(scene, fault)
        refused = sum(model["tiers"]["l2"]["rejected"] for model in stats(scene.server)["models"])
        downs = scene.server.log.count('"redis_down"')
    _unharmed(healthy, 2)
    _unharmed(suffered, FAULT_SECONDS)
    assert suffered.percentile(QUIET) < healthy.percentile(QUIET) + 0.010
    assert downs <= MOST_DOWN
    assert refused == 0


def _suffered(scene: Scene, fault: Fault) -> Outcome:
    """What became of the load while the fault lasted and the gauge told of it."""
    load, over = _load(scene), Event()
    fault.begin(scene)
    again = Thread(target=_repeat, args=(fault, scene, over))
    again.start()
    wait_until(lambda: fault.gauge in scene.health(), 3, f"the gauge to say {fault.gauge}")
    over.wait(FAULT_SECONDS)
    assert fault.gauge in scene.health()
    assert (stats(scene.server)["degraded"] is None) is (fault.gauge == "up")
    over.set()
    again.join()
    return load.stop()


def _heal(scene: Scene, fault: Fault) -> None:
    load = _load(scene)
    fault.end(scene)
    wait_until(lambda: scene.health() == {"up"}, HEAL_SECONDS, "the gauge to say up")
    _unharmed(load.stop(), 0.1)
    wait_until(lambda: _remembers(scene), HEAL_SECONDS, "answers to be shared again")


def _repeat(fault: Fault, scene: Scene, over: Event) -> None:
    while fault.again and not over.wait(0.2):
        fault.begin(scene)


def _remembers(scene: Scene) -> bool:
    ask(scene.server, 3000, 3)
    return {source(ask(scene.server, 3000, 3)) for _ in range(6)} == {"hit-l2"}


def test_timed_out_connections_are_closed_and_their_number_is_bounded(scene: Scene) -> None:
    load = _load(scene)
    for _ in range(4):
        scene.redis.pause()
        wait_until(lambda: scene.health() == {"down"}, 3, "the gauge to say down")
        scene.redis.resume()
        wait_until(lambda: scene.health() == {"up"}, HEAL_SECONDS, "the gauge to say up")
    _unharmed(load.stop(), 4)
    threads_and_helpers = 8 + 4
    connected = scene.redis.call("CLIENT", "LIST", "TYPE", "normal").splitlines()
    assert len(connected) <= 2 * threads_and_helpers + 1
    assert sum(model["tiers"]["l2"]["rejected"] for model in stats(scene.server)["models"]) == 0


def test_a_redis_that_is_away_at_the_start_is_used_when_it_comes(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    linear().add(Repository(tmp_path / "models"))
    redis = RedisServer(tmp_path / "redis")
    env = shared_by(redis) | deployment(tmp_path, "cache: {l1: off, l2: on}\n")
    with Server(tmp_path / "server", env, tmp_path / "models") as server:
        assert source(ask(server, 1, 2)) == "miss"
        ready = server.get("/health/ready")
        assert (ready.status, ready.json()["status"]) == (200, "degraded")
        with redis:
            wait_until(lambda: source(ask(server, 1, 2)) == "hit-l2", HEAL_SECONDS, "redis to be used")
            assert server.get("/health/ready").json()["dependencies"]["redis"] == "up"


def test_nobody_waits_for_a_host_that_swallows_connections(tmp_path: Path) -> None:
    """A listener whose queue is full: connecting itself hangs."""
    (tmp_path / "models").mkdir()
    linear().add(Repository(tmp_path / "models"))
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((HOST, port))
        env = {"SLUICE_REDIS_URL": f"redis://{HOST}:{port}/0"} | deployment(tmp_path, "cache: {l1: off, l2: on}\n")
        server = stack.enter_context(Server(tmp_path / "server", env, tmp_path / "models"))
        answers = [ask(server, row, 1) for row in range(20)]
        assert sum(answer.seconds > 0.2 for answer in answers) <= 1
        assert server.get("/health/ready").json()["dependencies"]["redis"] == "down"
