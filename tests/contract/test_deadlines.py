"""Deadlines over HTTP: who sets them, from when they count, and that nothing is begun after them."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from app.registry.repository import Repository
from tests.client import message, read_answer
from tests.models import linear, slow
from tests.programs import HOST
from tests.servers import Server

SLOW = "/v1/models/slow/predict"
LINEAR = "/v1/models/linear/predict"
ROW = {"features": [1, 2]}
_ROWS = count(1)
"""One that has been asked for may be remembered, and take no time."""


@pytest.fixture(scope="module")
def one_thread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One thread, so that requests wait for it; ``slow`` takes some tenths of a second, ``hasty`` may take 5 ms."""
    folder = tmp_path_factory.mktemp("deadlines")
    repository = Repository(folder / "models")
    linear().add(repository)
    slow(2500).add(repository)
    slow(2500, name="hasty").add(repository)
    deployment = folder / "deployment.yaml"
    deployment.write_text("models: {hasty: {timeout_ms: 5}}\n")
    env = {"SLUICE_THREADS": "1", "SLUICE_DEPLOYMENT_FILE": str(deployment)}
    with Server(folder / "server", env, folder / "models") as running:
        yield running


NO_TIMES = [" ", "0", "0ms", "-1", "abc", "1h", "1e3", "nan", "inf", "3601", "99999999999", "1 s"]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_refused_by_name(one_thread: Server, text: str) -> None:
    answer = one_thread.post(LINEAR, ROW, {"X-Request-Timeout": text})
    assert answer.status == 422
    assert list(answer.json()["errors"]) == ["X-Request-Timeout"]


@pytest.mark.parametrize("text", ["5", "0.75", "750ms", "30s", "3600"])
def test_a_time_that_suffices_changes_nothing(one_thread: Server, text: str) -> None:
    assert one_thread.post(LINEAR, ROW, {"X-Request-Timeout": text}).status == 200


def test_the_inference_protocol_refuses_it_in_its_own_shape(one_thread: Server) -> None:
    body = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}
    answer = one_thread.post("/v2/models/linear/infer", body, {"X-Request-Timeout": "soon"})
    assert answer.status == 400
    assert "X-Request-Timeout" in answer.json()["error"]


def test_a_priority_is_one_of_two_words(one_thread: Server) -> None:
    assert one_thread.post(LINEAR, ROW, {"X-Priority": "bulk"}).status == 200
    answer = one_thread.post(LINEAR, ROW, {"X-Priority": "urgent"})
    assert (answer.status, list(answer.json()["errors"])) == (422, ["X-Priority"])


@contextmanager
def _thread_taken(server: Server) -> Iterator[None]:
    """While the server's one thread works on a slow request, sent before whatever the test sends."""
    with socket.create_connection((HOST, server.port), timeout=30) as connection:
        connection.sendall(message("POST", SLOW, {"features": [next(_ROWS)]}))
        yield
        answer = read_answer(connection, "POST")
    assert answer.status == 200


def test_time_counts_from_arrival_and_late_work_is_not_begun(one_thread: Server) -> None:
    with _thread_taken(one_thread):
        late = one_thread.post(LINEAR, ROW, {"X-Request-Timeout": "20ms"})
    assert late.status == 504
    problem = late.json()
    assert problem["type"] == "urn:sluice:problem:deadline-exceeded"
    waited = float(problem["detail"].split("after ")[1].split(" ms")[0])
    assert 20 <= waited <= late.seconds * 1000 + 1
    assert one_thread.post(LINEAR, ROW).status == 200, "the next request on that thread has its own time"


def test_a_model_has_a_deadline_for_callers_without_one(one_thread: Server) -> None:
    with _thread_taken(one_thread):
        late = one_thread.post("/v1/models/hasty/predict", {"features": [1]})
    assert late.status == 504
    patient = {"X-Request-Timeout": "20"}
    assert one_thread.post("/v1/models/hasty/predict", {"features": [2]}, patient).status == 200
