"""Started as platforms start it: SageMaker's command, Azure's variables; the real processes."""

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.registry.repository import Repository
from tests.gatehouse import guarded
from tests.models import linear, slow
from tests.programs import ROOT, wait_until
from tests.servers import Server, is_healthy


class SageMaker(Server):
    """``serve``, in the image's place of work; the port it is told, as for several containers behind one endpoint."""

    def command(self) -> Sequence[str]:
        return [str(ROOT / "deploy/image/serve")]

    def ports(self) -> Mapping[str, str]:
        return {"SAGEMAKER_BIND_TO_PORT": str(self.port), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


class Azure(Server):
    """The variables Azure sets, and none of ours for the same."""

    def ports(self) -> Mapping[str, str]:
        return {"WEBSITES_PORT": str(self.port), "WORKER_COUNT": "2"}


def test_sagemaker_serve(tmp_path: Path) -> None:
    linear().add(Repository(tmp_path / "opt/ml/model"))
    env = guarded(tmp_path / "data", SLUICE_ROLES_FILE="config/platform_roles.yaml")
    with SageMaker(tmp_path / "server", env | {"SM_MODEL_DIR": str(tmp_path / "opt/ml/model")}) as server:
        assert server.get("/ping").status == 200
        assert server.post("/invocations", {"instances": [[1, 2]]}).json() == {"predictions": [5.5]}
        answer = server.post("/invocations", b"1,2\n3,4\n", {"Content-Type": "text/csv", "Accept": "text/csv"})
        assert answer.body == b"5.5\r\n11.5\r\n"
        assert b"gunicorn" in Path(f"/proc/{server.pid}/cmdline").read_bytes(), "TERM reaches it"
        assert is_healthy(server)
        server.signal(signal.SIGSTOP)
        for worker in server.workers:
            os.kill(worker, signal.SIGKILL)
        assert not is_healthy(server)
        server.signal(signal.SIGCONT)
        assert server.stop() == 0


def test_sagemaker_several_models(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    linear().add(Repository(folder))
    linear((3.0, 4.0), name="other").add(Repository(folder))
    (folder / "deployment.yaml").write_text("default_model: other\n")
    with SageMaker(tmp_path / "server", {"SM_MODEL_DIR": str(folder)}) as server:
        assert server.post("/invocations", {"instances": [[1, 2]]}).json() == {"predictions": [11.5]}


def test_sagemaker_listens_on_8080_without_being_told() -> None:
    script = (ROOT / "deploy/image/serve").read_text()
    assert 'PORT="${SAGEMAKER_BIND_TO_PORT:-8080}"' in script
    assert os.access(ROOT / "deploy/image/serve", os.X_OK)
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert "COPY deploy/image/serve /usr/local/bin/serve" in dockerfile
    assert "COPY deploy/image/healthy.py ./" in dockerfile
    assert 'CMD ["python", "healthy.py"]' in dockerfile


@pytest.fixture
def models(tmp_path: Path) -> Path:
    slow(400).add(Repository(tmp_path / "models"))
    return tmp_path / "models"


def test_azure_port_workers_and_deadline(tmp_path: Path, models: Path) -> None:
    env = {"SCORING_TIMEOUT_MS": "20", "SLUICE_THREADS": "1"}
    with Azure(tmp_path / "server", env, models) as server:
        wait_until(lambda: len(server.workers) == 2, 10, "two workers")
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(lambda number: server.post("/score", {"features": [number]}).status, range(8)))
        assert 504 in told
        assert set(told) <= {200, 503, 504}
        assert server.get("/").body == b"Healthy"


def test_azure_worker_timeout(tmp_path: Path, models: Path) -> None:
    """A worker that stands still for so long is replaced."""
    with Azure(tmp_path / "server", {"WORKER_TIMEOUT": "2"}, models) as server:
        victim = server.workers[0]
        os.kill(victim, signal.SIGSTOP)
        stopped = time.monotonic()
        wait_until(lambda: victim not in server.workers and len(server.workers) == 2, 20, "another worker")
        assert time.monotonic() - stopped > 1
