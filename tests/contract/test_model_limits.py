"""A key for one model learns nothing of the others, wherever several are told of, and changes nothing of theirs."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.gatehouse import Key, guarded, make_key
from tests.servers import Server

House = tuple[Server, Key, Key]

OTHERS = ("churn", "digits")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server that has answered for every model, an operator for diabetes alone, and one for all."""
    data = tmp_path_factory.mktemp("data")
    some, whole = make_key(data, "operator", "--model", "diabetes"), make_key(data, "operator")
    with Server(tmp_path_factory.mktemp("limits"), guarded(data)) as server:
        for name in ("diabetes", *OTHERS):
            example = server.get(f"/v1/models/{name}", whole.header).json()["example"]
            assert server.post(f"/v1/models/{name}/predict", example, whole.header).status == 200
        yield server, some, whole


def _told(house: House, method: str, path: str, key: Key) -> str:
    server = house[0]
    answer = server.get(path, key.header) if method == "GET" else server.post(path, {}, key.header)
    assert answer.status == 200, answer
    return answer.body.decode()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/models"), ("POST", "/v2/repository/index"), ("GET", "/v2/models/stats"), ("GET", "/cache-stats")],
)
def test_lists_hold_the_callers_own_models_alone(house: House, method: str, path: str) -> None:
    _, some, whole = house
    limited, everything = _told(house, method, path, some), _told(house, method, path, whole)
    assert "diabetes" in limited
    assert not [name for name in OTHERS if name in limited]
    assert all(name in everything for name in ("diabetes", *OTHERS))


def test_totals_are_those_of_the_callers_own_models(house: House) -> None:
    server, some, whole = house
    assert server.get("/cache-stats", some.header).json()["total_requests"] == 1
    assert server.get("/cache-stats", whole.header).json()["total_requests"] == 3


@pytest.mark.parametrize(("method", "path"), [("GET", "/metrics"), ("POST", "/v1/cache/clear")])
def test_what_is_about_all_models_is_for_callers_of_all(house: House, method: str, path: str) -> None:
    server, some, _ = house
    answer = server.get(path, some.header) if method == "GET" else server.post(path, {}, some.header)
    assert answer.status == 403
    assert _told(house, method, path, house[2])


@pytest.mark.parametrize("path", ["/predict", "/score", "/invocations"])
@pytest.mark.parametrize(
    ("body", "headers"), [(b"1,2,3", {"Content-Type": "text/csv; header=absent"}), ({"customer_id": []}, {}), ({}, {})]
)
def test_faults_tell_nothing_of_a_default_model_that_is_not_the_callers(
    house: House, path: str, body: object, headers: Mapping[str, str]
) -> None:
    server, some, whole = house
    assert server.post(path, body, {**some.header, **headers}).status == 403
    assert server.post(path, body, {**whole.header, **headers}).status in (400, 422)


def test_the_refusal_is_audited(house: House) -> None:
    server, some, _ = house
    assert server.post("/v1/cache/clear", {}, some.header).status == 403
    lines = Path(server.environment()["SLUICE_DATA_DIR"], "audit.jsonl").read_text().splitlines()
    assert '"action":"cache:write","result":"denied"' in lines[-1]
    assert f"key:{some.id}" in lines[-1]
