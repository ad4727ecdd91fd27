"""What callers see of the cache, over a socket."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.registry.manifest import Feature
from app.registry.repository import Repository
from tests.caching import PREDICT, SLOW, ask, content, deployment, model_stats, source, stats
from tests.conftest import StartServer
from tests.contract.problems import assert_refused
from tests.models import everything, linear, mixing, slow, stretching
from tests.servers import Server

BRIEF = {
    "cache_hit_rate", "total_requests", "cache_hits", "cache_misses", "cost_savings", "avg_latency_cached",
    "avg_latency_uncached",
}  # fmt: skip


def _repository(folder: Path) -> Repository:
    (folder / "models").mkdir()
    repository = Repository(folder / "models")
    rounded = tuple(Feature(f"f{at}", "float32", "X", decimals=decimals) for at, decimals in enumerate((2, None)))
    for model in (linear(), everything(), mixing(), stretching(), slow(40)):
        model.add(repository)
    linear(name="rounded").but(features=rounded).add(repository)
    return repository


@pytest.fixture(scope="module")
def remembering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("remembering")
    env = deployment(folder, "cache: {l1: on}\nmodels: {everything: {cache: {ttl: 1}}}\n")
    with Server(folder, env, _repository(folder).root) as running:
        yield running


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("forgetful")
    with Server(folder, {"SLUICE_CACHE": "off"}, _repository(folder).root) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(remembering: Server) -> None:
    assert remembering.post("/v1/cache/clear", {}).json() == {"cleared": True}


def test_the_second_answer_is_remembered_and_says_so(remembering: Server) -> None:
    first, second = ask(remembering, 1, 2), ask(remembering, 1, 2)
    assert (source(first), source(second)) == ("miss", "hit-l1")
    assert second.headers["age"] == "0"
    sleep(1.1)
    assert int(ask(remembering, 1, 2).headers["age"]) >= 1


@pytest.mark.parametrize(
    "body",
    [
        {"features": [1.0, 2.0]},
        {"features": {"f1": 2, "f0": 1}},
        {"instances": [[1, 2]]},
        {"instances": [{"f1": 2.0, "f0": 1.0}]},
        {"columns": {"f1": [2], "f0": [1]}},
    ],
    ids=["list", "object in other order", "rows", "records", "columns"],
)
def test_one_row_in_any_form_is_one_entry(remembering: Server, body: dict[str, Any]) -> None:
    ask(remembering, 1, 2)
    assert source(remembering.post(PREDICT, body)) == "hit-l1"


def test_minus_zero_is_another_row(remembering: Server) -> None:
    ask(remembering, 0, 1)
    assert source(ask(remembering, -0.0, 1)) == "miss"


def test_rows_of_many_are_looked_up_one_by_one(remembering: Server) -> None:
    ask(remembering, 1, 2)
    before = model_stats(remembering, "linear")
    answer = remembering.post(PREDICT, {"instances": [[3, 4], [1, 2], [3, 4]]})
    assert source(answer) == "miss"
    assert [row["prediction"] for row in answer.json()["predictions"]] == [11.5, 5.5, 11.5]
    after = model_stats(remembering, "linear")
    counted = {name: after[name] - before[name] for name in ("cache_misses", "cache_hits", "single_flight_joins")}
    assert counted == {"cache_misses": 2, "cache_hits": 1, "single_flight_joins": 0}, "nobody else computed it"
    assert source(remembering.post(PREDICT, {"instances": [[3, 4], [1, 2]]})) == "hit-l1"


@pytest.mark.parametrize(
    ("header", "told", "kept"),
    [
        ("no-cache", "miss", True),
        ("no-store", "bypass", False),
        ("No-Store, max-age=10", "bypass", False),
        ("max-age=0", "miss", True),
        ("max-age=60", "hit-l1", True),
        ('max-age="60"', "hit-l1", True),
        ("max-age=soon", "hit-l1", True),
        ("private, community=UCI", "hit-l1", True),
        ("max-age=" + "9" * 400, "hit-l1", True),
        (",,=,", "hit-l1", True),
    ],
)
def test_cache_control_is_obeyed(remembering: Server, header: str, told: str, kept: bool) -> None:
    ask(remembering, 7, 8)
    assert source(ask(remembering, 7, 8, headers={"Cache-Control": header})) == told
    ask(remembering, 9, 8, headers={"Cache-Control": header})
    assert (source(ask(remembering, 9, 8)) == "hit-l1") is kept


def test_a_time_to_live_may_be_the_models_own(remembering: Server) -> None:
    body = {"features": {"age": 1, "score": 0.5, "visits": 3, "member": True, "count": 4, "city": "Oslo", "note": "x"}}
    path = "/v1/models/everything/predict"
    assert [source(remembering.post(path, body)) for _ in range(2)] == ["miss", "hit-l1"]
    sleep(1.05)
    assert source(remembering.post(path, body)) == "miss"


def test_texts_and_further_outputs_are_remembered_too(remembering: Server, forgetful: Server) -> None:
    row = {
        "age": 1,
        "score": None,
        "visits": 3,
        "member": True,
        "count": 4,
        "city": "Bern",
        "note": "\u20ac \ud83d\ude00",
    }
    path, body = "/v1/models/everything/predict", {"customer_id": "C-9", "features": row}
    plain = content(forgetful.post(path, body))
    assert [content(remembering.post(path, body)) for _ in range(2)] == [plain, plain]
    other = remembering.post(path, body | {"customer_id": "C-10"})
    assert source(other) == "hit-l1"
    assert other.json()["customer_id"] == "C-10"


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.tuples(st.floats(-4, 4, width=32), st.integers(-2, 2)), min_size=1, max_size=4),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["linear", "rounded"]),
)
def test_remembered_and_computed_are_the_same_bytes(
    remembering: Server, forgetful: Server, requests: list[list[tuple[float, int]]], model: str
) -> None:
    path = f"/v1/models/{model}/predict"
    for rows in requests:
        body = {"features": rows[0]} if len(rows) == 1 else {"instances": rows}
        plain = content(forgetful.post(path, body))
        assert [content(remembering.post(path, body)) for _ in range(2)] == [plain, plain]


def test_rows_that_change_each_other_are_never_mixed_up(remembering: Server, forgetful: Server) -> None:
    for rows in ([[1.0]], [[1.0], [3.0]], [[1.0], [3.0]], [[3.0]], [[3.0], [1.0]], [[1.0]]):
        body = {"instances": rows}
        path = "/v1/models/mixing/predict"
        assert content(remembering.post(path, body)) == content(forgetful.post(path, body))


def test_rows_of_changing_shape_are_answered(remembering: Server, forgetful: Server) -> None:
    path, narrow, wide = "/v1/models/stretching/predict", [1, 5, 6], [3, 7, 8]
    for rows in ([narrow, narrow], [wide, wide], [narrow, wide], [wide, narrow], [narrow], [wide]):
        body = {"instances": rows}
        assert content(remembering.post(path, body)) == content(forgetful.post(path, body)), rows


def test_rounding_makes_close_rows_one(remembering: Server) -> None:
    path = "/v1/models/rounded/predict"
    first = remembering.post(path, {"features": [0.123, 1.001]})
    assert source(first) == "miss"
    close = remembering.post(path, {"features": [0.1249, 1.001]})
    assert source(close) == "hit-l1"
    assert content(close) == content(first)
    assert source(remembering.post(path, {"features": [0.123, 1.002]})) == "miss"
    remembering.post(path, {"features": [0.0, 3]})
    assert source(remembering.post(path, {"features": [-0.001, 3]})) == "hit-l1"
    told = remembering.get("/v1/models/rounded").json()["features"]
    assert [feature["decimals"] for feature in told] == [2, None]


def test_five_hundred_at_once_compute_a_row_once(remembering: Server) -> None:
    remembering.post(SLOW, {"features": [1]})
    before = model_stats(remembering, "slow")
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: remembering.post(SLOW, {"features": [3]}), range(500)))
    assert {answer.json()["prediction"] for answer in answers} == {3.0}
    after = model_stats(remembering, "slow")
    counted = {name: after[name] - before[name] for name in ("cache_misses", "single_flight_joins", "total_requests")}
    assert counted["total_requests"] == 500
    assert counted["cache_misses"] - counted["single_flight_joins"] == 1


def test_warming_fills_and_is_no_miss(remembering: Server) -> None:
    ask(remembering, 50, 1)
    before = model_stats(remembering, "linear")
    answer = remembering.post("/v1/models/linear/warm", {"instances": [[60, 1], [61, 1]]})
    assert answer.json() == {"model": "linear", "model_version": "v1", "warmed": 2, "tiers": ["l1"]}
    assert [source(ask(remembering, row, 1)) for row in (60, 61)] == ["hit-l1", "hit-l1"]
    after = model_stats(remembering, "linear")
    assert after["cache_misses"] == before["cache_misses"]
    assert after["warmed"] == before["warmed"] + 2
    one = remembering.post("/v1/models/linear/versions/v1/warm", {"features": [62, 1]})
    assert one.json()["warmed"] == 1


def test_warming_refuses_what_predicting_refuses(remembering: Server) -> None:
    assert_refused(remembering.post("/v1/models/linear/warm", {"features": [1]}), 422, "features")
    assert_refused(remembering.post("/v1/models/none/warm", {"features": [1]}), 404)


def test_where_caching_is_off_nothing_is_warmed(forgetful: Server) -> None:
    answer = forgetful.post("/v1/models/linear/warm", {"features": [1, 2]}).json()
    assert (answer["warmed"], answer["tiers"]) == (0, [])
    assert [source(ask(forgetful, 1, 2)) for _ in range(2)] == ["bypass", "bypass"]


def test_clearing_forgets(remembering: Server) -> None:
    ask(remembering, 1, 2)
    remembering.post("/v1/cache/clear", {})
    assert source(ask(remembering, 1, 2)) == "miss"
    assert model_stats(remembering, "linear")["tiers"]["l1"]["entries"] == 1


def test_the_figures_have_the_briefs_names_and_the_details(remembering: Server) -> None:
    before = stats(remembering)
    for _ in range(4):
        ask(remembering, 30, 2)
    after = stats(remembering)
    assert after.keys() >= BRIEF
    assert after["total_requests"] - before["total_requests"] == 4
    assert after["cache_hits"] - before["cache_hits"] == 3
    assert after["cache_misses"] - before["cache_misses"] == 1
    assert 0 <= after["cache_hit_rate"] <= 1
    assert after["cost_savings"].startswith("$")
    assert {after[name][-2:] for name in ("avg_latency_cached", "avg_latency_uncached")} == {"ms"}
    assert (after["scope"], after["state"], after["degraded"], after["store"]) == ("this worker", "up", None, None)
    version = model_stats(remembering, "linear")
    assert (version["model"], version["version"]) == ("linear", "v1")
    assert version["tiers"]["l1"]["entries"] >= 1
    assert version["tiers"]["l1"]["bytes"] > 100
    assert version["tiers"]["l1"]["verdict"] == "forced on in the deployment file"
    assert version["latency_ms"]["hit-l1"]["p50"] <= version["latency_ms"]["hit-l1"]["p95"]
    assert version["latency_ms"]["miss"]["p50"] > 0


def test_a_small_memory_evicts_and_says_so(start_server: StartServer, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "models")
    linear().add(repository)
    env = deployment(tmp_path, "cache: {l1: on}\n") | {"SLUICE_CACHE_MAX_ENTRIES": "5"}
    server = start_server(env, repository.root)
    for row in range(20):
        ask(server, row, 1)
    tier = model_stats(server, "linear")["tiers"]["l1"]
    assert (tier["entries"], tier["evictions"]) == (5, 15)
    assert source(ask(server, 19, 1)) == "hit-l1"
    assert source(ask(server, 3, 1)) == "miss"


def test_workers_without_shared_state_say_what_is_per_worker(start_server: StartServer, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "models")
    linear().add(repository)
    server = start_server({"WEB_CONCURRENCY": "2"}, repository.root)
    said = [line for line in server.log.splitlines() if "state_per_worker" in line]
    assert said
    assert all("its own cache" in line and "SLUICE_REDIS_URL" in line for line in said)
