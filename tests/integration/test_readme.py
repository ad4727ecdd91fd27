"""What the README shows is what happens."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.gatehouse import guarded
from tests.programs import ROOT, wait_until

README = (ROOT / "README.md").read_text(encoding="utf-8")
KEY = "dev-key-of-the-readme-test-only"
CALLS = re.findall(r"```sh\n(curl .*?)```.*?```json\n(.*?)```", README, re.DOTALL)


def _near(value: Any) -> Any:
    """Numbers as far as two processors agree on them."""
    numbers = isinstance(value, float) or (
        isinstance(value, dict) and all(isinstance(v, float) for v in value.values())
    )
    return pytest.approx(value, abs=1e-5) if numbers else value


def test_there_are_calls_to_try() -> None:
    assert len(CALLS) >= 2


@pytest.mark.parametrize(("call", "printed"), CALLS)
def test_pasting_a_call_prints_what_stands_below_it(
    start_server: StartServer, tmp_path: Path, call: str, printed: str
) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "development.key").write_text(KEY, encoding="utf-8")
    server = start_server({"SLUICE_AUTH": "on", "SLUICE_BOOTSTRAP_ADMIN_KEY": KEY})
    command = ["bash", "-c", call.replace("http://127.0.0.1:8000", server.url)]
    assert server.url in command[-1]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True)
    answer, wanted = json.loads(result.stdout), json.loads(printed)
    assert answer.keys() == wanted.keys()
    assert len(answer.pop("request_id")) == len(wanted.pop("request_id"))
    for key, value in wanted.items():
        assert answer[key] == _near(value), key


def _secure_it(folder: Path) -> list[str]:
    """The commands of "Secure it", with their files in this test's folder; all but the start of the server."""
    block = README.partition("## Secure it")[2].partition("```sh\n")[2].partition("```")[0]
    for written, here in {
        ".venv/bin/python": sys.executable,
        ".venv/bin/flask": f"{sys.executable} -m flask",
        **{name: str(folder / name) for name in ("api.pem", "api.key", "sluice.conf")},
    }.items():
        assert written in block
        block = block.replace(written, here)
    *commands, start = block.replace("\\\n", " ").splitlines()
    assert start.startswith("SLUICE_TRUSTED_PROXIES=127.0.0.1 make run")
    return commands


def test_secure_it(start_server: StartServer, tmp_path: Path) -> None:
    """Line by line, at a server that runs meanwhile."""
    server = start_server(guarded(tmp_path, SLUICE_TRUSTED_PROXIES="127.0.0.1"))
    env = os.environ | guarded(tmp_path)

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    create, *rest = _secure_it(tmp_path)
    made = run(create)
    (secret,) = re.findall(r"slu_[a-z0-9]+_[\w-]+", made)
    key_id = secret.split("_")[1]
    wait_until(lambda: server.get("/v1/models", {"X-API-Key": secret}).status == 200, 5, "the key to be known")
    listed, rotate, revoke, certify, render = (line.replace(" ID ", f" {key_id} ") for line in rest)
    assert key_id in run(listed)
    (successor,) = re.findall(r"slu_[a-z0-9]+_[\w-]+", run(rotate))
    wait_until(lambda: server.get("/v1/models", {"X-API-Key": successor}).status == 200, 5, "the new key to be known")
    assert server.get("/v1/models", {"X-API-Key": secret}).status == 200
    run(revoke)
    wait_until(lambda: server.get("/v1/models", {"X-API-Key": secret}).status == 401, 2, "the old key to be refused")
    run(certify)
    run(render)
    assert "ssl_certificate" in (tmp_path / "sluice.conf").read_text()


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_every_target_of_make_is_listed() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", README)) == targets
