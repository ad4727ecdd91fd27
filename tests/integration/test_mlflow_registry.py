"""``scripts/download_model.py`` from a real MLflow server: what was registered there comes whole, or not at all."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest

from app.registry.repository import Repository
from app.registry.version import ServedVersion
from app.runtimes.onnx import OnnxRuntime
from app.tensors import Rows
from tests.clients.environments import MLFLOW, drive
from tests.models import heavy, linear
from tests.programs import HOST, ROOT, Program

NAME = "churn_predictor"


class MlflowServer(Program):
    """``mlflow server``, everything it keeps below its own folder."""

    name = "mlflow"

    @property
    def url(self) -> str:
        """``http://host:port``."""
        return f"http://{HOST}:{self.port}"

    def command(self) -> Sequence[str]:
        """It hands artifacts out itself, as is its default."""
        store = f"sqlite:///{self.folder}/mlflow.db"
        words = ["server", "--host", HOST, "--port", str(self.port), "--workers", "1", "--backend-store-uri", store]
        command = [str(MLFLOW.python), "-W", "ignore", "-m", "mlflow", *words]
        return [*command, "--artifacts-destination", str(self.folder / "artifacts")]

    def environment(self) -> Mapping[str, str]:
        """Nothing is told to its makers, and nothing runs beside it."""
        silent = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        return {**super().environment(), **silent}

    def answers(self) -> bool:
        """Asks its health."""
        try:
            with urlopen(f"{self.url}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """Versions 1 (its file damaged after it was made) and 2 of ours, 3 of MLflow's ONNX, 4 of its Python."""
    MLFLOW.ensure()
    folder = tmp_path_factory.mktemp("mlflow")
    repository = Repository(folder / "ours")
    made = [linear(name=NAME, version=version).add(repository) for version in ("v7", "v8")]
    (made[0] / "model.onnx").write_bytes(b"damaged")
    (folder / "logged.onnx").write_bytes(heavy(0.1, name=NAME).model)
    with MlflowServer(folder) as running:
        task = {"url": running.url, "name": NAME, "folders": list(map(str, made)), "onnx": str(folder / "logged.onnx")}
        drive(MLFLOW, "mlflow_register.py", task)
        yield running


def fetch(registry: MlflowServer, to: Path, version: str, name: str = NAME) -> "subprocess.CompletedProcess[str]":
    words = ["--model-name", name, "--version", version, "--output", str(to), "--registry", f"mlflow+{registry.url}"]
    command = [sys.executable, "scripts/download_model.py", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("version", ["2", "v2", "@champion"])
def test_a_version_that_is_a_folder_of_ours_comes_as_it_is(
    registry: MlflowServer, tmp_path: Path, version: str
) -> None:
    done = fetch(registry, tmp_path / "to", version)
    assert done.stdout.strip() == str(tmp_path / "to" / NAME / "v8"), done.stderr
    stored = Repository(tmp_path / "to").read(NAME, "v8")
    assert stored.model == linear(name=NAME, version="v8").model
    assert "is there already" in fetch(registry, tmp_path / "to", version).stderr


def test_what_mlflow_logged_as_onnx_is_given_a_manifest(registry: MlflowServer, tmp_path: Path) -> None:
    """MLflow keeps the weights beside the graph."""
    done = fetch(registry, tmp_path / "to", "3")
    assert done.stdout.strip() == str(tmp_path / "to" / NAME / "v3"), done.stderr
    stored = Repository(tmp_path / "to").read(NAME, "v3")
    assert stored.external
    served = ServedVersion(stored.manifest, OnnxRuntime(stored.model, stored.external))
    assert served.verify() >= 1
    np.testing.assert_allclose(served.run(served.encoder.encode(Rows([[2.0]]))[0])["Y"], [[2.0]])


@pytest.mark.parametrize(
    ("version", "name", "said"),
    [
        ("1", NAME, "has sha256"),
        ("latest", NAME, "churn_predictor 4 is no ONNX model"),
        ("9", NAME, "has no version '9'; it has 1, 2, 3, 4"),
        ("latest", "nothing", "has no version 'latest'; it has none"),
        ("latest", "../secrets", "cannot be a model's name"),
        ("@nobody", NAME, "alias"),
    ],
)
def test_nothing_is_put_there_otherwise(
    registry: MlflowServer, tmp_path: Path, version: str, name: str, said: str
) -> None:
    done = fetch(registry, tmp_path / "to", version, name)
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "to").exists()
