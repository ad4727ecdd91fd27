"""/docs in a real browser: Swagger UI, from our own address alone, shows every operation."""

import json
import re
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest

from app.registry.repository import Repository
from tests.programs import HOST
from tests.servers import MODELS, Server

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync",
    f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {HOST}", "--virtual-time-budget=30000", "--dump-dom",
]  # fmt: skip
"""No name but ours resolves: a page that needs anything from elsewhere stays empty."""


@dataclass(frozen=True)
class Visit:
    """The page after its scripts ran, and what it fetched on the way: path -> status."""

    dom: str
    fetched: dict[str, int]


@pytest.fixture(scope="module")
def visit(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    before = len(server.log)
    command = ["chromium", *FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}", f"{server.url}/docs"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in server.log[before:].splitlines() if line.startswith("{")]
    return Visit(done.stdout, {line["path"]: line["status"] for line in lines if line.get("event") == "request"})


def test_every_operation_is_shown(server: Server, visit: Visit) -> None:
    shown = set(re.findall(r'opblock-summary-path[^>]*data-path="([^"]*)"', visit.dom))
    assert shown == set(server.get("/openapi.json").json()["paths"])
    assert "Predict with churn v2" in visit.dom
    assert "Failed to load" not in visit.dom
    assert [line for line in server.log.splitlines() if not line.startswith("{")] == [], "the log is JSON alone"


def test_all_it_needs_came_from_here(visit: Visit) -> None:
    wanted = {"/docs", "/docs/start.js", "/openapi.json"}
    wanted |= {f"/docs/assets/{name}" for name in ("swagger-ui.css", "swagger-ui-bundle.js")}
    assert {path: visit.fetched.get(path) for path in wanted} == dict.fromkeys(wanted, 200)


def test_the_page_names_nobody_else(server: Server) -> None:
    for path in ("/docs", "/docs/start.js"):
        assert not re.search(rb"(?:https?:)?//[a-z]", server.get(path).body)


def test_assets_may_be_kept_and_no_script_is_inline(server: Server) -> None:
    assert "max-age" in server.get("/docs/assets/swagger-ui.css").headers["cache-control"]
    assert not re.search(rb"<script[^>]*>[^<]", server.get("/docs").body)


def test_examples_predict_and_are_nobodys_rows(server: Server) -> None:
    """The page is public; the golden rows it might show could be rows of the operator's customers."""
    golden = {
        json.dumps(dict(row.features), sort_keys=True)
        for path in sorted(MODELS.glob("*/*"))
        for row in Repository(MODELS).manifest(path.parent.name, path.name).golden
    }
    bodies = [
        (path, example["value"])
        for path, operations in server.get("/openapi.json").json()["paths"].items()
        for example in _examples(operations)
        if path.endswith("/predict")
    ]
    assert len(bodies) >= 12
    for path, body in bodies:
        assert server.post(path, body).status == 200, (path, body)
        assert json.dumps(body.get("features"), sort_keys=True) not in golden


def _examples(operations: dict[str, Any]) -> list[Any]:
    content = operations.get("post", {}).get("requestBody", {}).get("content", {})
    return list(content.get("application/json", {}).get("examples", {}).values())
