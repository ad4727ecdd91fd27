"""What the README shows is what happens."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.programs import ROOT

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


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_every_target_of_make_is_listed() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", README)) == targets
