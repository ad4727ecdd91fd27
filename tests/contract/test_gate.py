"""The gate over a real socket: every role x route x method, keys, addresses, headers, the audit log."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from app.api.access import PUBLIC, declared_scopes
from app.factory import create_app
from app.gateway.denials import WINDOW_S
from config.roles import load_access
from config.settings import Settings
from tests.conftest import StartServer
from tests.gatehouse import ROLES, Key, SteadyCalls, guarded, keys, make_key
from tests.programs import ROOT, wait_until
from tests.servers import Server

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ARGUMENTS = {"name": "churn", "version": "v2", "model": "churn"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Mapping[str, Key], Path]]:
    """A server with one key of each role."""
    data = tmp_path_factory.mktemp("data")
    made = {role: make_key(data, role) for role in ROLES}
    roles = tmp_path_factory.mktemp("roles") / "roles.yaml"
    text = Path(ROOT / "config/roles.yaml").read_text()
    roles.write_text(text.replace("600/minute", "100000/minute").replace("120/minute", "100000/minute"))
    env = guarded(data, SLUICE_ROLES_FILE=str(roles))
    with Server(tmp_path_factory.mktemp("gate"), env) as server:
        yield server, made, data


def _routes() -> list[tuple[str, str, set[str], str]]:
    """Every route: its rule, an address, its methods, the scope it declares."""
    app = create_app(Settings(auth=False))
    scopes = declared_scopes(app)
    adapter = app.url_map.bind("localhost")
    found = []
    for rule in app.url_map.iter_rules():
        values = {name: ARGUMENTS.get(name, "nothing") for name in rule.arguments}
        found.append((rule.rule, adapter.build(rule.endpoint, values), set(rule.methods or ()), scopes[rule.endpoint]))
    return found


ROUTES = _routes()


@pytest.mark.parametrize(
    ("rule", "address", "methods", "scope"), ROUTES, ids=[f"{row[0]}-{'-'.join(sorted(row[2]))}" for row in ROUTES]
)
def test_every_role_may_exactly_what_it_was_given(
    house: tuple[Server, Mapping[str, Key], Path], rule: str, address: str, methods: set[str], scope: str
) -> None:
    server, made, _ = house
    roles = load_access(ROOT / "config/roles.yaml").roles
    for method in METHODS:
        if method not in methods:
            continue
        stranger = server.send(_request(method, address, {})).status
        assert (stranger == 401) == (scope != PUBLIC), f"{method} {rule} without a key: {stranger}"
        for role, key in made.items():
            allowed = scope == PUBLIC or bool(roles[role].scopes & {scope, "*"})
            if allowed and method != "GET" and scope.endswith(":write"):
                continue  # done for real by the tests of what it changes
            status = server.send(_request(method, address, key.header)).status
            assert (status == 403) != allowed, f"{method} {rule} as {role}: {status}"
            assert status != 401


def test_every_view_declares_a_scope_or_the_application_is_not_built() -> None:
    app = create_app(Settings(auth=False))
    app.view_functions["stowaway"] = lambda: ""
    with pytest.raises(LookupError, match="stowaway"):
        declared_scopes(app)


@pytest.mark.parametrize(
    "shown",
    [
        {"X-API-Key": "slu_aaaaaaaa_" + "A" * 43},
        {"X-API-Key": ""},
        {"X-API-Key": "x" * 5000},
        {"X-API-Key": "slu_%00%00%00%00_x"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer slu_aaaaaaaa_" + "A" * 43},
    ],
)
def test_what_proves_nothing_is_refused_alike(
    house: tuple[Server, Mapping[str, Key], Path], shown: Mapping[str, str]
) -> None:
    answer = house[0].get("/v1/models", shown)
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    body = answer.json()
    assert body["type"] == "urn:sluice:problem:unauthenticated"
    assert body["request_id"] == answer.headers["x-request-id"]


def test_a_key_works_as_bearer_too(house: tuple[Server, Mapping[str, Key], Path]) -> None:
    server, made, _ = house
    assert server.get("/v1/models", {"Authorization": f"Bearer {made['viewer'].key}"}).status == 200


def test_a_key_for_one_model_sees_no_other(house: tuple[Server, Mapping[str, Key], Path]) -> None:
    server, _, data = house
    key = make_key(data, "predictor", "--model", "diabetes")
    _until_known(server, key)
    assert server.get("/v1/models/diabetes", key.header).status == 200
    assert server.get("/v1/models/churn", key.header).status == 403
    example = server.get("/v1/models/diabetes", key.header).json()["example"]
    assert server.post("/v1/models/diabetes/predict", example, key.header).status == 200
    assert server.post("/predict", example, key.header).status == 403  # the default model is churn


def test_keys_end_when_told_and_when_their_time_is_over(house: tuple[Server, Mapping[str, Key], Path]) -> None:
    server, _, data = house
    lasting, brief = make_key(data, "viewer"), make_key(data, "viewer", "--expires", "4s")
    _until_known(server, brief)
    with SteadyCalls(server, lambda: lasting.header) as calls:
        time.sleep(0.5)
        keys(data, "revoke", lasting.id)
        revoked = time.monotonic()
        time.sleep(3)
    assert calls.rate >= 200
    assert set(calls.after(revoked + 2)) == {401}
    assert 200 in {status for _, status in calls.seen}
    wait_until(lambda: server.get("/v1/models", brief.header).status == 401, 5, "its time to be over")
    states = {row["id"]: row["state"] for row in keys(data, "list")}
    assert (states[brief.id], states[lasting.id]) == ("expired", "revoked")


def test_a_rotated_key_is_never_refused_on_the_way(house: tuple[Server, Mapping[str, Key], Path]) -> None:
    server, _, data = house
    old = make_key(data, "viewer")
    _until_known(server, old)
    current = old
    with SteadyCalls(server, lambda: current.header) as calls:
        made = keys(data, "rotate", old.id, "--grace", "1h")
        new = Key(made["id"], made["key"])
        _until_known(server, new)
        current = new
        time.sleep(0.5)
    assert calls.rate >= 200
    assert {status for _, status in calls.seen} == {200}
    assert server.get("/v1/models", old.header).status == 200, "the old key is good for the grace time"


def test_a_key_that_has_ended_is_not_brought_back(house: tuple[Server, Mapping[str, Key], Path]) -> None:
    _, _, data = house
    ended = make_key(data, "viewer")
    keys(data, "revoke", ended.id)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        keys(data, "rotate", ended.id)
    assert "is revoked; make a new one" in refused.value.stderr


def test_nothing_of_a_key_but_its_id_is_ever_written(house: tuple[Server, Mapping[str, Key], Path]) -> None:
    server, made, data = house
    for key in made.values():
        server.get("/v1/models", key.header)
        server.get("/v1/models", {"X-API-Key": key.key[:-1] + ("A" if key.key[-1] != "A" else "B")})
    written = server.log_file.read_text() + "".join(
        path.read_text() for path in data.iterdir() if path.suffix != ".lock"
    )
    for key in made.values():
        assert key.key.split("_", 2)[2][:20] not in written
        assert key.id in written


def test_every_denial_is_audited_on_one_line_that_cannot_be_forged(
    house: tuple[Server, Mapping[str, Key], Path],
) -> None:
    server, made, data = house
    audit = data / "audit.jsonl"
    time.sleep(WINDOW_S)  # what earlier tests were denied is told
    before = len(audit.read_text().splitlines()) if audit.exists() else 0
    server.get("/v1/models/x%0a%7b%22event%22%3a%22audit%22%7d", made["predictor"].header)
    server.post("/v1/cache/clear", {}, made["viewer"].header)
    server.get('/v1/models/"}%0d%0a{"result":"allowed"}', {})
    server.post("/v1/cache/clear", {}, made["operator"].header)
    lines = [json.loads(line) for line in audit.read_text().splitlines()[before:]]
    assert [(line["action"], line["result"], line.get("reason")) for line in lines] == [
        ("cache:write", "denied", "forbidden"),
        ("models:read", "denied", "unauthenticated"),
        ("cache:write", "allowed", None),
    ]
    assert all({"timestamp", "subject", "address"} <= set(line) for line in lines)
    assert lines[0]["subject"] == f"key:{made['viewer'].id}"


def test_key_changes_are_audited(house: tuple[Server, Mapping[str, Key], Path]) -> None:
    _, _, data = house
    key = make_key(data, "viewer")
    keys(data, "revoke", key.id)
    actions = [json.loads(line) for line in (data / "audit.jsonl").read_text().splitlines()]
    assert [line["action"] for line in actions if line.get("key") == key.id] == ["keys:create", "keys:revoke"]


def test_a_bootstrap_key_opens_a_server_that_can_keep_nothing(start_server: StartServer, tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.write_text("no folder")
    server = start_server(
        {
            "SLUICE_AUTH": "on",
            "SLUICE_DATA_DIR": str(nowhere),
            "SLUICE_BOOTSTRAP_ADMIN_KEY": "bootstrap-key-of-this-test",
        }
    )
    assert server.get("/v1/models", {"X-API-Key": "bootstrap-key-of-this-test"}).status == 200
    assert server.get("/v1/models", {"X-API-Key": "bootstrap-key-of-this-tesT"}).status == 401
    ready = server.get("/health/ready").json()
    assert ready["dependencies"]["audit"] == "down"
    assert ready["status"] == "degraded"
    assert '"event":"audit"' in server.log_file.read_text(), "lines that the sink does not take go to stderr"


def test_authentication_is_off_only_at_home() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOST": "0.0.0.0", "PORT": "1", "SLUICE_AUTH": "off"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "SLUICE_AUTH: off is only for a loopback address" in done.stderr


def test_callers_without_a_key_have_a_role_only_where_it_is_configured(
    house: tuple[Server, Mapping[str, Key], Path], start_server: StartServer, tmp_path: Path
) -> None:
    score = {"features": house[0].get("/v1/models/diabetes", house[1]["viewer"].header).json()["example"]["features"]}
    address = "/v1/models/diabetes/predict"
    assert house[0].post(address, score).status == 401
    behind = start_server(guarded(tmp_path, SLUICE_ROLES_FILE="config/platform_roles.yaml"))
    assert behind.post(address, score).status == 200
    assert behind.post(address, score, {"X-API-Key": "slu_aaaaaaaa_" + "A" * 43}).status == 401
    assert behind.get("/metrics").status == 403
    assert behind.post("/v1/cache/clear", {}).status == 403
    assert "anonymous_callers_have_a_role" in behind.log


def test_pages_of_other_origins_may_call_only_when_allowed(start_server: StartServer) -> None:
    closed = start_server()
    origin = {"Origin": "https://app.example"}
    assert "access-control-allow-origin" not in closed.get("/health", origin).headers
    opened = start_server({"SLUICE_CORS_ORIGINS": "https://app.example"})
    assert opened.get("/health", origin).headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in opened.get("/health", {"Origin": "https://evil.example"}).headers
    preflight = opened.send(_request("OPTIONS", "/predict", origin | {"Access-Control-Request-Method": "POST"}))
    assert preflight.status == 204
    assert "X-API-Key" in preflight.headers["access-control-allow-headers"]


def test_every_answer_forbids_sniffing(house: tuple[Server, Mapping[str, Key], Path]) -> None:
    for path in ("/health", "/nothing", "/v1/models"):
        assert house[0].get(path).headers["x-content-type-options"] == "nosniff"


def _request(method: str, address: str, headers: Mapping[str, str]) -> bytes:
    fields = {"Host": "localhost", "Connection": "close", "Content-Length": "0"} | dict(headers)
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {address} HTTP/1.1\r\n{lines}\r\n".encode()


def _until_known(server: Server, key: Key) -> None:
    """A new key reaches a server within two seconds."""
    end = time.monotonic() + 2
    while server.get("/v1/models", key.header).status == 401:
        assert time.monotonic() < end
        time.sleep(0.05)
