"""Batches: in order, bounded, with progress, and honest when a part fails."""

import io
import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sluice_client import BatchFailed, Client, InvalidInput, ProgressLine, Retries

from app.registry.repository import Repository
from tests.gatehouse import guarded, make_key
from tests.models import identity, image, linear
from tests.python_client.moody_server import MoodyServer, answer
from tests.servers import Server


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("batch")
    repository = Repository(folder / "models")
    for model in (linear(), identity(2), image()):
        model.add(repository)
    with Server(folder, models=repository.root) as running:
        yield running


ROWS = np.arange(20_000, dtype=np.float64).reshape(10_000, 2)


@pytest.mark.parametrize("form", ["numpy", "pandas", "lists"])
def test_every_row_in_its_place(small: Server, form: str) -> None:
    rows: Any = {"numpy": ROWS, "pandas": pd.DataFrame(ROWS, columns=["f0", "f1"]), "lists": ROWS.tolist()}[form]
    with Client(small.url) as client:
        answers = client.predict_batch("identity", rows, batch_size=777, parallel=3)
    assert np.array_equal(answers.to_numpy(), ROWS)
    assert len({row.request_id for row in answers}) == 13


def test_images_are_arrays_in_arrays(small: Server) -> None:
    pixels = np.linspace(0, 1, 18).reshape(3, 2, 3)
    wanted = pixels.sum(axis=(1, 2)).tolist()
    with Client(small.url) as client:
        assert client.predict("image", columns={"pixels": pixels}).values == pytest.approx(wanted)
        assert client.predict("image", {"pixels": pixels[0]}).value == pytest.approx(wanted[0])
        batch = client.predict_batch("image", [{"pixels": one} for one in pixels], batch_size=2)
    assert batch.values == pytest.approx(wanted)


def test_progress_is_told_as_it_goes(small: Server) -> None:
    told: list[tuple[int, int]] = []
    with Client(small.url) as client:
        client.predict_batch("linear", ROWS[:2500], batch_size=1000, progress=lambda *seen: told.append(seen))
    assert told == [(1000, 2500), (2000, 2500), (2500, 2500)]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_line() -> None:
    terminal, file = _Terminal(), io.StringIO()
    for line in (ProgressLine(terminal), ProgressLine(file)):
        for done in range(0, 1001, 10):
            line(done, 1000)
    assert terminal.getvalue().count("\r") == 101
    assert terminal.getvalue().endswith("rows/s\n")
    assert file.getvalue().splitlines()[0].startswith("0 of 1,000 rows")
    assert len(file.getvalue().splitlines()) == 11


def test_no_rows_no_request(small: Server) -> None:
    with Client(small.url) as client:
        assert len(client.predict_batch("linear", [])) == 0
        with pytest.raises(ValueError, match="at least 1"):
            client.predict_batch("linear", ROWS, batch_size=0)


def test_no_more_at_a_time_than_asked_for() -> None:
    """Ten parts, two at a time, each answer held back until another request is there or a moment has passed."""
    here, most, guard = 0, Counter[int](), threading.Lock()
    good = {"predictions": [{"prediction": 0}], "model": "m", "model_version": "v", "cached": False, "request_id": "r"}
    say = answer(200, good)

    def slow(connection: Any) -> None:
        nonlocal here
        with guard:
            here += 1
            most[here] += 1
        threading.Event().wait(0.05)
        with guard:
            here -= 1
        say(connection)

    with MoodyServer(slow) as server, Client(server.url) as client:
        assert len(client.predict_batch("m", [[1.0]] * 10, batch_size=1, parallel=2)) == 10
        assert max(most) == 2
        assert server.header("X-Priority") == ["bulk"] * 10


def test_a_part_that_fails_ends_the_batch(small: Server) -> None:
    rows = ROWS.tolist()
    rows[4321] = [1.0, "two"]
    with Client(small.url) as client, pytest.raises(BatchFailed) as raised:
        client.predict_batch("linear", rows, batch_size=500, parallel=2)
    failed = raised.value
    assert (failed.start, failed.rows, len(failed.done)) == (4000, 500, 4000)
    assert failed.done[7].value == pytest.approx(ROWS[7] @ [1, 2] + 0.5)
    assert isinstance(failed.__cause__, InvalidInput)
    assert "instances[321][1]" in failed.__cause__.errors


def test_a_batch_waits_for_its_quota(tmp_path: Path) -> None:
    """Two parts a second are allowed, eight are sent: all arrive, and none is lost or paid for twice."""
    key = make_key(tmp_path / "data", "predictor", "--quota", "requests=2/second")
    repository = Repository(tmp_path / "models")
    repository.root.mkdir()
    linear().add(repository)
    with Server(tmp_path, guarded(tmp_path / "data"), repository.root) as server:
        with Client(server.url, key.key, retries=Retries(attempts=50, total=60)) as client:
            answers = client.predict_batch("linear", ROWS[:8], batch_size=1, parallel=4)
        lines = [json.loads(line) for line in server.log.splitlines() if '"event":"request"' in line]
    assert [row.value for row in answers] == pytest.approx((ROWS[:8] @ [1, 2] + 0.5).tolist())
    statuses = Counter(line["status"] for line in lines if line["path"].endswith("/predict"))
    assert statuses[200] == 8
    assert set(statuses) == {200, 429}
