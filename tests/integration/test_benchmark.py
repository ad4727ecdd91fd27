"""``make bench`` itself: what its client sends, that a rival who cannot take part is named, and what it shows."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree as ET

import grpc
import numpy as np
import pytest

from benchmarks.chart import chart
from benchmarks.contenders.contender import Contender
from benchmarks.contenders.sluice import sluice
from benchmarks.doors.dialects import MANY, ONE, V2, V2_BINARY, Dialect
from benchmarks.doors.door import Load
from benchmarks.doors.h2load import H2loadDoor
from benchmarks.doors.http import HttpDoor
from benchmarks.environment import Environment
from benchmarks.progress import Progress
from benchmarks.race import Course, Race, run_race
from benchmarks.readiness import make_ready
from benchmarks.report import table, verdicts
from benchmarks.rows import FEATURES, rows_like
from benchmarks.scenarios.scenario import Goal, Scenario
from benchmarks.workload import Workload

SCENARIO = Scenario(
    "trial",
    "A trial",
    connections=2,
    contenders=("sluice", "broken", "missing"),
    goals=(Goal("broken", "requests_per_s", 1.0),),
)


class Listener(ThreadingHTTPServer):
    """Answers every POST with 200, or 503 when ``refusing``, and keeps the bodies."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.bodies: list[bytes] = []
        self.refusing = False

    def handle_error(self, *_: object) -> None:
        """The client leaves in the middle of answers."""


class Answering(BaseHTTPRequestHandler):
    """HTTP/1.1 with connections that stay."""

    protocol_version = "HTTP/1.1"
    server: Listener

    def do_POST(self) -> None:
        """Keep the body."""
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(503 if self.server.refusing else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Up while the test lasts."""
    with Listener() as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> tuple[Race, dict[str, Contender]]:
    """One round between this server, one that ends at once and one that cannot be installed."""
    folder = tmp_path_factory.mktemp("bench")
    workload = Workload(folder)
    pins = folder / "missing.txt"
    pins.write_text("no-such-package @ file:///nowhere/at/all.whl\n")
    ours = sluice(workload, "sluice", "Sluice")
    broken = replace(ours, name="broken", title="Ends at once", command=("-c", "raise SystemExit('no | licence')"))
    missing = replace(ours, name="missing", title="Missing", environment=Environment(f"{folder}/missing", pins))
    everyone = {each.name: each for each in (ours, broken, missing)}
    ready = make_ready(everyone.values(), workload)
    progress = Progress(len(everyone), 1, 1, 1)
    return run_race(SCENARIO, Course(everyone, workload, {}, ready.absent, folder, 1, 1, progress)), everyone


def sent(listener: Listener, folder: Path, dialect: Dialect, rows: int, distinct: int = 0) -> list[bytes]:
    load = Load(rows=rows, connections=2, seconds=1, number=1, distinct=distinct, folder=folder)
    assert HttpDoor("/somewhere", dialect).load(listener.server_address[1], load).requests > 10
    return listener.bodies


@pytest.mark.parametrize("rows", [1, 3])
def test_the_client_sends_rows_as_the_dialect_writes_them(listener: Listener, tmp_path: Path, rows: int) -> None:
    bodies = sent(listener, tmp_path, ONE if rows == 1 else MANY, rows)
    asked = json.loads(bodies[0])
    assert np.shape(asked["features"] if rows == 1 else asked["instances"]) == ((FEATURES,) if rows == 1 else (3, 20))
    assert len(set(bodies)) == len(bodies)


def test_the_client_sends_flat_tensors(listener: Listener, tmp_path: Path) -> None:
    (tensor,) = json.loads(sent(listener, tmp_path, V2, 3)[0])["inputs"]
    assert (tensor["shape"], len(tensor["data"])) == ([3, FEATURES], 3 * FEATURES)


def test_the_client_sends_raw_tensors(listener: Listener, tmp_path: Path) -> None:
    body = sent(listener, tmp_path, V2_BINARY, 3)[0]
    opening = V2_BINARY.opened(3).encode()
    numbers = np.frombuffer(body.removeprefix(opening), "<f4")
    assert (len(numbers), bool(np.isfinite(numbers).all())) == (3 * FEATURES, True)
    assert body.startswith(opening)
    assert len(V2_BINARY.body(rows_like(3))) == len(body)


def test_the_client_can_send_few_rows_again_and_again(listener: Listener, tmp_path: Path) -> None:
    assert len(set(sent(listener, tmp_path, ONE, 1, distinct=5))) == 5


def test_a_refusal_is_an_error_and_no_answer(listener: Listener, tmp_path: Path) -> None:
    listener.refusing = True
    load = Load(rows=1, connections=1, seconds=1, number=1, distinct=0, folder=tmp_path)
    seen = HttpDoor("/somewhere", ONE).load(listener.server_address[1], load)
    assert (seen.requests, seen.errors > 10) == (0, True)


def test_over_grpc_only_answers_count(tmp_path: Path) -> None:
    """To the client a refusal looks like an answer: it is 200 for HTTP. Here every second one is a refusal."""
    turns = count()

    def behave(_: bytes, context: grpc.ServicerContext) -> bytes:
        if next(turns) % 2:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "come again")
        return b"an answer"

    server = grpc.server(ThreadPoolExecutor(2))
    methods = {"ModelInfer": grpc.unary_unary_rpc_method_handler(behave)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("inference.GRPCInferenceService", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    seen = H2loadDoor("any").load(port, Load(1, 2, 1, 1, 0, tmp_path))
    server.stop(None).wait()
    assert 10 < seen.requests == pytest.approx(seen.errors, abs=2)
    assert 0 < seen.p50_ms <= seen.p95_ms <= seen.p99_ms


def test_who_cannot_take_part_is_named_and_ends_nothing(race: tuple[Race, dict[str, Contender]]) -> None:
    found, everyone = race
    shown = table(found, everyone)
    assert set(found.windows) == {"sluice"}
    assert "| Ends at once | not measured: it did not start: no / licence |" in shown
    assert "| Missing | not measured: could not be installed: " in shown
    assert verdicts(found, everyone) == ["not measured: requests/s at least 1 x as good as that of Ends at once"]


def test_a_server_is_measured_whole(race: tuple[Race, dict[str, Contender]]) -> None:
    found, _ = race
    window, standing = found.typical("sluice"), found.standings["sluice"]
    assert (window.errors, window.requests_per_s > 50) == (0, True)
    assert 0 < window.p50_ms <= window.p95_ms <= window.p99_ms
    assert 10 < window.cpu_us < 100_000
    assert 0 < standing.ready_s < 60
    assert min(standing.mib_at_start, standing.mib_after) > 40


def test_the_chart_shows_everyone(race: tuple[Race, dict[str, Contender]]) -> None:
    found, everyone = race
    drawn = chart(found, everyone)
    words = [element.text for element in ET.fromstring(drawn).iter() if element.tag.endswith("text")]
    assert words.count("not measured") == 2
    assert {"Sluice", "Ends at once", "Missing"} <= set(words)
    assert chart(found, everyone) == drawn
