"""A server that cannot start as it was told says why and ends; one that can is quick about it."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.registry.repository import Repository
from tests.conftest import StartServer
from tests.models import linear, slow
from tests.programs import HOST
from tests.servers import Server


def refused(folder: Path, env: dict[str, str]) -> str:
    """What a server that must not start prints; fails when it starts or ends as if all were well."""
    server = Server(folder, env)
    command = [sys.executable, "-m", "gunicorn"]
    done = subprocess.run(
        command, env=dict(server.environment()), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode not in (0, None), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"PORT": "80000"}, "sluice: PORT: '80000' cannot be used; allowed: 1 to 65535"),
        ({"SLUICE_LOG_LEVEL": "loud"}, "sluice: SLUICE_LOG_LEVEL: 'loud' cannot be used; allowed: debug, info"),
        (
            {"SLUICE_REDIS_URL": "redis://127.0.0.1:six"},
            "sluice: SLUICE_REDIS_URL: the value cannot be used: Port could",
        ),
        ({"SLUICE_DEPLOYMENT_FILE": "none.yaml"}, "sluice: none.yaml: cannot be read (No such file or directory)"),
    ],
)
def test_a_setting_that_cannot_be_used(tmp_path: Path, env: dict[str, str], says: str) -> None:
    assert says in refused(tmp_path, env)


def test_a_deployment_file_with_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "deployment.yaml"
    file.write_text("default_model: churn\nmodels: {churn: {defualt_version: v2}}\n")
    told = refused(tmp_path, {"SLUICE_DEPLOYMENT_FILE": str(file)})
    assert (
        f"sluice: {file}: models.churn.defualt_version: unknown key (did you mean default_version?); allowed: " in told
    )
    assert "default_version" in told


def test_an_address_that_is_taken(tmp_path: Path, start_server: StartServer, repository: Repository) -> None:
    linear().add(repository)
    first = start_server(models=repository.root)
    (tmp_path / "second").mkdir()
    assert f"cannot listen on {HOST}:{first.port}" in refused(tmp_path / "second", {"PORT": str(first.port)})
    assert first.get("/health/live").status == 200


def test_a_start_is_quick(start_server: StartServer, repository: Repository) -> None:
    linear().add(repository)
    started = time.monotonic()
    server = start_server(models=repository.root)
    assert time.monotonic() - started < 15
    assert server.post("/predict", {"features": [1, 2]}).status == 200


def test_term_lets_requests_in_flight_end(start_server: StartServer, repository: Repository) -> None:
    slow(4000).add(repository)
    server = start_server(models=repository.root)
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(server.post, "/predict", {"features": [number]}) for number in range(2)]
        time.sleep(0.3)
        assert not any(answer.done() for answer in answers)
        server.signal(signal.SIGTERM)
        assert [answer.result().json()["prediction"] for answer in answers] == [0, 1]
    assert server.stop() == 0
    assert "Traceback" not in server.log
