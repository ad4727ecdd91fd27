"""/docs in a real browser: Swagger UI, from our own address alone, shows every operation."""

import json
import re
import subprocess
from dataclasses import dataclass

import pytest

from tests.programs import HOST
from tests.servers import Server

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
