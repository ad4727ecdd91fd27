"""The numbers of one process, what bounds them, and what an observation costs."""

import resource
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from app.telemetry.graveyard import bury
from app.telemetry.metrics import NO_FACTS, Facts
from app.telemetry.numbers import Numbers
from app.telemetry.prometheus import BOUNDS, MAX_SERIES, Prometheus

FACTS = Facts("churn", "v2", 3, "miss")
LABELS = {"route": "/predict", "model": "churn", "version": "v2", "status": "200", "cache": "miss"}


def samples(prometheus: Prometheus, name: str) -> dict[frozenset[tuple[str, str]], float]:
    text = prometheus.render()[0].decode()
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {frozenset(sample.labels.items()): sample.value for sample in found if sample.name == name}


def test_requests_rows_and_latency() -> None:
    prometheus = Prometheus()
    for seconds in (0.00005, 0.0001, 0.0007, 3.0, 60.0):
        prometheus.request("/predict", 200, seconds, FACTS)
    assert samples(prometheus, "sluice_requests_total") == {frozenset(LABELS.items()): 5}
    assert samples(prometheus, "sluice_rows_total") == {
        frozenset({"model": "churn", "version": "v2", "cache": "miss"}.items()): 15
    }
    buckets = {
        dict(labels)["le"]: value
        for labels, value in samples(prometheus, "sluice_request_duration_seconds_bucket").items()
    }
    assert (buckets["0.0001"], buckets["0.0005"], buckets["0.001"]) == (2, 2, 3)
    assert (buckets["2.5"], buckets["5.0"], buckets["10.0"], buckets["+Inf"]) == (3, 4, 4, 5)
    assert len(buckets) == len(BOUNDS) + 1
    (total,) = samples(prometheus, "sluice_request_duration_seconds_sum").values()
    assert total == pytest.approx(63.00085)


def test_an_address_without_a_model_has_empty_labels() -> None:
    prometheus = Prometheus()
    prometheus.request("/health", 200, 0.001, NO_FACTS)
    empty = {"route": "/health", "model": "", "version": "", "status": "200", "cache": ""}
    assert samples(prometheus, "sluice_requests_total") == {frozenset(empty.items()): 1}


def test_labels_are_bounded() -> None:
    prometheus = Prometheus()
    for number in range(MAX_SERIES + 50):
        prometheus.request(f"/{number}", 200, 0.001, NO_FACTS)
    counted = samples(prometheus, "sluice_requests_total")
    assert len(counted) == MAX_SERIES + 1
    other = frozenset({"route": "other", "model": "", "version": "", "status": "200", "cache": ""}.items())
    assert counted[other] == 50


def test_batches_by_their_rows() -> None:
    prometheus = Prometheus()
    for rows in (1, 3, 32, 5000):
        prometheus.batch("churn", rows)
    buckets = {dict(labels)["le"]: value for labels, value in samples(prometheus, "sluice_batch_rows_bucket").items()}
    assert (buckets["1.0"], buckets["4.0"], buckets["32.0"], buckets["1024.0"], buckets["+Inf"]) == (1, 2, 3, 3, 4)
    assert samples(prometheus, "sluice_batch_rows_sum") == {frozenset({("model", "churn")}): 5036}


def test_a_process_knows_its_memory() -> None:
    held = {
        dict(labels)["kind"]: value for labels, value in samples(Prometheus(), "sluice_worker_memory_bytes").items()
    }
    assert 10e6 < held["own"] < held["resident"] < 100e9


def test_gauges_show_what_is_true_when_asked() -> None:
    prometheus = Prometheus()
    state = {"redis": 0.0}
    prometheus.watch("sluice_degraded", lambda: {(name,): value for name, value in state.items()})
    redis = frozenset({("dependency", "redis")})
    assert samples(prometheus, "sluice_degraded") == {redis: 0}
    state["redis"] = 1.0
    assert samples(prometheus, "sluice_degraded") == {redis: 1}
    with pytest.raises(KeyError):
        prometheus.watch("sluice_anything", dict)


def test_a_gauge_that_cannot_be_read_spoils_nothing() -> None:
    prometheus = Prometheus()
    prometheus.watch("sluice_degraded", lambda: {("redis",): 1 / 0})
    prometheus.request("/predict", 200, 0.001, FACTS)
    assert samples(prometheus, "sluice_requests_total")


def test_openmetrics_for_who_asks_and_text_for_who_asks_nonsense() -> None:
    prometheus = Prometheus()
    prometheus.request("/predict", 200, 0.001, FACTS)
    body, content_type = prometheus.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert "sluice_requests" in {family.name for family in parse_openmetrics(body.decode())}
    for accept in ("", "text/html", "application/openmetrics-text; version=x.y", "text/plain;version=\x00", ",;=;,"):
        assert prometheus.render(accept)[0]


def test_two_servers_in_one_process_have_numbers_of_their_own() -> None:
    first, second = Prometheus(), Prometheus()
    first.request("/predict", 200, 0.001, FACTS)
    assert samples(second, "sluice_requests_total") == {}


def test_an_observation_costs_microseconds() -> None:
    prometheus = Prometheus()
    once = min(timeit.repeat(lambda: prometheus.request("/predict", 200, 0.0012, FACTS), number=2000, repeat=20)) / 2000
    assert once < 8e-6, f"{once * 1e6:.1f} us"


def _counted(path: Path) -> dict[str, float]:
    return {key: value for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path))}


def test_the_dead_are_added_up_and_their_files_go(tmp_path: Path) -> None:
    key = mmap_key("sluice_rows", "sluice_rows_total", ["model"], ["churn"], "Rows.")
    for pid, rows in ((11, 3.0), (12, 4.0)):
        file = MmapedDict(str(tmp_path / f"counter_{pid}.db"))
        file.write_value(key, rows, 0.0)
        file.close()
        (tmp_path / f"gauge_livesum_{pid}.db").touch()
        bury(tmp_path, pid)
    assert {path.name for path in tmp_path.glob("*.db")} == {"counter_0.db"}
    assert _counted(tmp_path / "counter_0.db") == {key: 7.0}


@contextmanager
def _without_room(path: Path) -> Iterator[None]:
    """No file may grow beyond what this one has."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_numbers_have_room_before_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "counter_11.db"
    numbers: Any = Numbers(str(path))
    for count in range(600):
        numbers.write_value(f"{count:0100}", float(count), 0.0)
        assert path.stat().st_blocks * 512 >= path.stat().st_size
    assert path.stat().st_size > 1 << 16
    with _without_room(path), pytest.raises(OSError, match="File too large"):
        numbers.make_room(*map(str, range(20_000)))
    numbers.write_value("more", 5.0, 0.0)
    assert _counted(path)["more"] == 5.0
    numbers.close()


def test_the_dead_stay_where_there_is_no_room_to_add_them_up(tmp_path: Path) -> None:
    for pid in (0, 11):
        file: Any = Numbers(str(tmp_path / f"counter_{pid}.db"))
        for count in range(400):
            file.write_value(f"{pid}-{count:0100}", 1.0, 0.0)
        file.close()
    with _without_room(tmp_path / "counter_0.db"):
        bury(tmp_path, 11)
    assert len(_counted(tmp_path / "counter_0.db")) == len(_counted(tmp_path / "counter_11.db")) == 400
    bury(tmp_path, 11)
    assert len(_counted(tmp_path / "counter_0.db")) == 800


def test_a_worker_killed_while_it_made_its_file_is_buried_too(tmp_path: Path) -> None:
    (tmp_path / "counter_11.db").touch()
    (tmp_path / "histogram_11.db").write_bytes(b"\x01")
    bury(tmp_path, 11)
    bury(tmp_path, 12)
    assert not list(tmp_path.glob("*_11.db"))
