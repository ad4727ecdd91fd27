"""The Batching line of the faults: thousands in shared batches, some of them gone, some of them poisonous."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.registry.repository import Repository
from tests.client import message, read_answer
from tests.models import trap
from tests.programs import HOST, wait_until
from tests.servers import Server

ROWS = 10_000
CLIENTS = 32


@pytest.fixture
def batching(tmp_path: Path) -> Iterator[Server]:
    """Two workers whose one model is joined whether that pays or not, and lingers so that batches do form."""
    trap().add(Repository(tmp_path / "models"))
    deployment = tmp_path / "deployment.yaml"
    deployment.write_text(
        "models: {trap: {batching: {mode: on, max_batch_size: 16, max_queue_delay_ms: 1, max_queue_ms: 60000}}}\n"
    )
    env = {
        "WEB_CONCURRENCY": "2",
        "SLUICE_THREADS": "16",
        "SLUICE_DEPLOYMENT_FILE": str(deployment),
        "SLUICE_ACCESS_LOG": "off",
    }
    with Server(tmp_path / "server", env, tmp_path / "models") as running:
        yield running


class Clients:
    """Threads that send every number once: each fifth hangs up before the answer, each twentieth is poison."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self) -> None:
        threads = [threading.Thread(target=self._work, args=(range(at, ROWS, CLIENTS),)) for at in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(200)
            assert not thread.is_alive(), "a request is never answered"

    def _work(self, numbers: range) -> None:
        connection: socket.socket | None = None
        for number in numbers:
            connection = connection or socket.create_connection((HOST, self._port), timeout=60)
            connection = self._ask(connection, number)
        if connection:
            connection.close()

    def _ask(self, connection: socket.socket, number: int) -> socket.socket | None:
        kind = "gone" if number % 5 == 0 else "poison" if number % 20 == 7 else "good"
        body = {"features": [number, 1 if kind == "poison" or number % 100 == 0 else 0]}
        headers = {"Connection": "keep-alive", "X-Request-ID": f"row-{number}"}
        connection.sendall(message("POST", "/v1/models/trap/predict", body, headers))
        if kind == "gone":
            connection.close()
            self._note(kind, "")
            return None
        answer = read_answer(connection, "POST")
        told = answer.json()
        right = (answer.status, told.get("prediction")) == ((200, number) if kind == "good" else (500, None))
        mine = answer.headers["x-request-id"] == told["request_id"] == f"row-{number}"
        self._note(kind, "" if right and mine else f"{number} ({kind}): {answer.status} {answer.body[:200]!r}")
        if answer.headers.get("connection") == "close":  # a worker gives up connections to one that has fewer
            connection.close()
            return None
        return connection

    def _note(self, kind: str, wrong: str) -> None:
        with self._lock:
            self.counts[kind] += 1
            if wrong:
                self.wrong.append(wrong)


def _shown(server: Server) -> dict[str, float]:
    lines = server.get("/metrics").body.decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def test_no_answer_is_swapped_and_no_neighbour_fails(batching: Server) -> None:
    clients = Clients(batching.port)
    clients.run()
    assert clients.wrong[:5] == []
    assert clients.counts == {"gone": ROWS // 5, "poison": ROWS // 20, "good": ROWS * 15 // 20}
    after = batching.post("/v1/models/trap/predict", {"features": [4, 0]})
    assert after.json()["prediction"] == 4
    waiting = 'sluice_model_queue_rows{model="trap",version="v1"}'
    wait_until(lambda: _shown(batching)[waiting] == 0, 10, "every worker to show that nobody waits")
    shown = _shown(batching)
    rows, runs = (shown[f'sluice_batch_rows_{what}{{model="trap"}}'] for what in ("sum", "count"))
    assert clients.counts["good"] < rows <= ROWS
    assert runs < rows, "some ran together"
    assert shown["sluice_queue_room"] >= 2 * 16
