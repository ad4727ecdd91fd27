"""The client's README: every example is run, in order, against a real server, and prints what stands below it."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.programs import ROOT

FOLDER = ROOT / "clients" / "python"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
KEY = "dev-key-of-the-client-readme-only"


def test_every_example_prints_what_stands_below_it(start_server: StartServer, tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```\s+```text\n(.*?)```", README, re.DOTALL)
    assert len(examples) == README.count("```python") >= 6
    server = start_server({"SLUICE_AUTH": "on", "SLUICE_BOOTSTRAP_ADMIN_KEY": KEY})
    script = f"KEY = {KEY!r}\n" + "".join(code for code, _ in examples).replace("http://127.0.0.1:8000", server.url)
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(FOLDER / "src"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(printed for _, printed in examples)
    assert "5,000 of 5,000 rows" in done.stderr


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    assert (FOLDER / link).exists()


def test_the_package_installs_and_needs_neither_numpy_nor_pandas(
    start_server: Callable[..., object], tmp_path: Path
) -> None:
    server = start_server()
    place = tmp_path / "environment"
    for command in (
        [sys.executable, "-m", "venv", str(place)],
        [str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", str(FOLDER)],
    ):
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    script = (
        "import sys, sluice_client\n"
        f"with sluice_client.Client({server.url!r}) as client:\n"  # type: ignore[attr-defined]
        "    rows = [[59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87]] * 3\n"
        "    print(len(client.predict('diabetes', instances=rows)), len(client.predict_batch('diabetes', rows)))\n"
        "print(sorted({'numpy', 'pandas'} & set(sys.modules)))\n"
    )
    command = [str(place / "bin" / "python"), "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "3 3\n[]\n", done.stderr
    (typed,) = place.glob("lib/*/site-packages/sluice_client/py.typed")
    assert typed.exists()
