"""Through nginx, nobody notices what happens to the processes behind it: every id is answered, and logged once."""

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.registry.repository import Repository
from app.state.shelf import PLACE
from tests.client import message
from tests.front import GENEROUS, Front
from tests.gatehouse import Key, guarded, make_key
from tests.load import Load, Outcome
from tests.models import linear
from tests.programs import HOST, wait_until
from tests.servers import RedisServer, Server

CONNECTIONS = 8

LIMIT = 1_000_000


@dataclass(frozen=True)
class Behind:
    """Two workers with their gate on, nginx before them, one Redis that counts, and two keys."""

    server: Server
    front: Front
    redis: RedisServer
    caller: Key
    viewer: Key


@pytest.fixture
def behind(tmp_path: Path, redis_server: RedisServer) -> Iterator[Behind]:
    repository = Repository(tmp_path / "models")
    linear().add(repository)
    quotas = [f"--quota=requests={LIMIT}/hour", f"--quota=rows={LIMIT}/hour"]
    caller, viewer = make_key(tmp_path / "data", "predictor", *quotas), make_key(tmp_path / "data", "viewer")
    more = {"WEB_CONCURRENCY": "2", "SLUICE_CACHE": "off", "SLUICE_TRUSTED_PROXIES": HOST}
    env = guarded(tmp_path / "data", SLUICE_REDIS_URL=f"{redis_server.url}?socket_timeout=2", **more)
    with (
        Server(tmp_path / "server", env, repository.root) as server,
        Front(tmp_path / "nginx", [f"{HOST}:{server.port}"], *GENEROUS) as front,
    ):
        yield Behind(server, front, redis_server, caller, viewer)


def under_load(behind: Behind, share: float, trouble: Callable[[Server], None]) -> Outcome:
    """Find out what the two can do, then ask at that share of it while there is trouble. All ids are in the outcome."""
    port, header = behind.front.port, behind.caller.header
    calibration = Load(port, CONNECTIONS, prefix="calibration", headers=header).run(1.5)
    assert calibration.wrong == []
    load = Load(port, CONNECTIONS, rate=share * calibration.rate, headers=header).start()
    time.sleep(0.5)
    trouble(behind.server)
    outcome = load.stop()
    outcome.ids += calibration.ids
    return outcome


def assert_answered_and_logged_once(behind: Behind, outcome: Outcome) -> None:
    server, front = behind.server, behind.front
    assert outcome.wrong == []
    assert len(outcome.ids) == len(set(outcome.ids))
    ids = set(outcome.ids)

    def of_nginx() -> Counter[str]:
        return Counter(row["request_id"] for row in front.rows() if row["request_id"] in ids)

    wait_until(lambda: len(of_nginx()) == len(ids), 5, "nginx to have logged the last")
    assert set(of_nginx().values()) == {1}
    lines = [json.loads(line) for line in server.log.splitlines() if line.endswith("}")]
    of_server = Counter(line["request_id"] for line in lines if line["event"] == "request")
    assert {name: of_server[name] for name in ids if of_server[name] != 1} == {}


def assert_charged_and_counted_once(behind: Behind, outcome: Outcome) -> None:
    """One request and one row for each: taken in Redis, less what the workers have set aside and not handed out.

    Charging and noting that it was charged are a microsecond apart, and a kill may fall there: one unit is let pass.
    """
    subject = f"key:{behind.caller.id}"
    taken = [behind.redis.call("GET", f"sluice:quota:{unit}:{LIMIT}:3600:{subject}") for unit in ("requests", "rows")]
    assert abs(sum(map(int, taken)) - set_aside(behind.server) - 2 * len(outcome.ids)) <= 1
    answer = behind.server.get("/metrics", behind.viewer.header)
    families = text_string_to_metric_families(answer.body.decode())
    found = [sample for family in families for sample in family.samples if sample.name == "sluice_requests_total"]
    counted = sum(sample.value for sample in found if sample.labels["model"] == "linear")
    assert abs(counted - len(outcome.ids)) <= 1


def set_aside(server: Server) -> int:
    """Units of windows of an hour on the shelves of all seats."""
    later = time.monotonic() + 60
    places = [
        place for shelf in server.shared_folder().glob("reserves-*") for place in PLACE.iter_unpack(shelf.read_bytes())
    ]
    return sum(int(left) for _, left, *_, ends in places if ends > later)


def _killed_each_second(server: Server) -> None:
    for _ in range(20):
        victim = random.choice(server.workers)
        os.kill(victim, signal.SIGKILL)
        time.sleep(1)
        wait_until(lambda gone=victim: gone not in server.workers and bool(server.workers), 20, "a successor")  # type: ignore[misc]


def test_a_worker_killed_each_second_twenty_times(behind: Behind) -> None:
    outcome = under_load(behind, 0.6, _killed_each_second)
    assert_answered_and_logged_once(behind, outcome)
    assert_charged_and_counted_once(behind, outcome)
    assert any("," in row["upstream"] for row in behind.front.rows()), "some were asked again: this tests something"


def _reloaded_ten_times(server: Server) -> None:
    for _ in range(10):
        before = set(server.workers)
        server.signal(signal.SIGHUP)
        wait_until(
            lambda old=before: not set(server.workers) & old and len(server.workers) == 2,
            40,
            "new workers",  # type: ignore[misc]
        )


@pytest.mark.parametrize("share", [0.6, 0.8])
def test_a_master_reloaded_ten_times(behind: Behind, share: float) -> None:
    outcome = under_load(behind, share, _reloaded_ten_times)
    assert_answered_and_logged_once(behind, outcome)
    assert_charged_and_counted_once(behind, outcome)


def test_one_of_two_servers_ends_while_both_are_asked(tmp_path: Path) -> None:
    """TERM: its readiness fails first, everything in flight is answered, and nginx asks the other."""
    repository = Repository(tmp_path / "models")
    linear().add(repository)
    env = {"SLUICE_CACHE": "off", "SLUICE_DRAIN_SECONDS": "1"}
    with (
        Server(tmp_path / "ends", env, repository.root) as ends,
        Server(tmp_path / "stays", env, repository.root) as stays,
        Front(tmp_path / "nginx", [f"{HOST}:{ends.port}", f"{HOST}:{stays.port}"], *GENEROUS) as front,
    ):
        load = Load(front.port, CONNECTIONS, rate=200).start()
        time.sleep(0.5)
        ends.signal(signal.SIGTERM)
        wait_until(lambda: ends.get("/health/ready").status == 503, 1, "its readiness to fail")
        assert ends.send(message("GET", "/health/live")).status == 200
        wait_until(lambda: not ends.running, 20, "its end")
        outcome = load.stop()
        assert outcome.wrong == []
        asked = Counter(row["upstream"] for row in front.rows())
        assert asked[f"{HOST}:{ends.port}"] > 10
        assert asked[f"{HOST}:{stays.port}"] > 10
