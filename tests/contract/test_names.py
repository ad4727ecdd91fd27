"""Names from a caller never become paths: 400 or 404, and no file is opened."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.registry.repository import Repository
from tests.client import message
from tests.contract.problems import assert_refused
from tests.models import linear
from tests.servers import Server

SPY = """
import os, sys
_spy = os.open(os.environ["SPY_FILE"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
def _note(event, args):
    if event in ("open", "os.listdir", "os.scandir", "os.chdir", "os.remove", "os.rename", "os.mkdir", "import"):
        os.write(_spy, (event + " " + repr(args[0]) + "\\n").encode(errors="replace"))
sys.addaudithook(_note)
"""
"""Python's own audit events, written down from the first line on."""

NAMES = [
    "..", "%2e%2e", "%252e%252e", "%252e", "a/../b", "a%2f..%2fb", "..%2f..%2f..%2fetc%2fpasswd", "../../../etc/passwd",
    "%00", "linear%00", "linear%00.yaml", "x" * 300, "..%5c..%5cwindows", "\\..\\", "C:%5cboot.ini", "%c0%ae%c0%ae",
    "%uff0e%uff0e", ".", "%2e", "...", ".hidden", "linear/", "linear%2f", "%20linear", "linear%20", "linear%0a",
    "~root", "$(id)", "%ed%a0%80", "%ff", "LINEAR", "linear.", "con", "%f0%9f%98%80", "linear%2fv1", "etc%2fpasswd",
]  # fmt: skip


@dataclass(frozen=True)
class Spied:
    """A server, and what its processes open."""

    server: Server
    folder: Path

    def opened(self) -> list[str]:
        """So far."""
        return (self.folder / "spy.log").read_text().splitlines()

    def strange(self, before: int) -> list[str]:
        """What was opened since, besides what a server looks at by itself: its one model, its own state, its weight."""
        own = [str(self.folder / "var" / ""), "/dev/shm/sluice-", str(self.folder / "models" / "linear" / "v1")]
        exact = [str(self.folder / "models"), str(self.folder / "models" / "linear"), "/proc/self/status"]
        paths = [line.partition(" ")[2].strip("'") for line in self.opened()[before:]]
        return [path for path in paths if path not in exact and not path.startswith(tuple(own))]


@pytest.fixture(scope="module")
def spied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spied]:
    folder = tmp_path_factory.mktemp("spied")
    linear().add(Repository(folder / "models"))
    (folder / "sitecustomize.py").write_text(SPY)
    (folder / "models" / "secret.txt").write_text("secret")
    env = {"PYTHONPATH": str(folder), "SPY_FILE": str(folder / "spy.log")}
    with Server(folder, env, folder / "models") as server:
        assert server.post("/v1/models/linear/predict", {"features": [1, 2]}).status == 200
        assert server.get("/v1/models/none").status == 404
        spy = Spied(server, folder)
        assert any(line.endswith("model.onnx'") for line in spy.opened())
        assert spy.strange(0)
        yield spy


@pytest.mark.parametrize("name", NAMES)
def test_names_of_models_and_versions(spied: Spied, name: str) -> None:
    before = len(spied.opened())
    for path in (
        f"/v1/models/{name}/predict",
        f"/v1/models/{name}/versions/v1/predict",
        f"/v1/models/linear/versions/{name}/predict",
    ):
        answer = spied.server.post(path, {"features": [1, 2]})
        assert answer.status in (400, 404)
        assert_refused(answer, answer.status)
        assert len(answer.body) < 1000
    described = spied.server.get(f"/v1/models/{name}")
    assert_refused(described, described.status if described.status == 400 else 404)
    assert spied.strange(before) == []


@pytest.mark.parametrize("name", [*NAMES, "../../app/errors.py", "..%2f..%2f__init__.py", "..%2f__init__.py"])
def test_names_of_assets(spied: Spied, name: str) -> None:
    before = len(spied.opened())
    answer = spied.server.send(message("GET", f"/docs/assets/{name}"))
    assert_refused(answer, answer.status if answer.status == 400 else 404)
    assert spied.strange(before) == []
