"""The scripts of a delivery pipeline, as processes, against a running server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from app.registry.repository import Repository
from scripts.rollouts.download import source_of
from scripts.rollouts.web import DownloadFailed
from tests.client import message
from tests.models import fragile, linear
from tests.programs import HOST, ROOT, wait_until
from tests.servers import Server

ADMIN = "admin-key-for-the-tests-0123456789"


@dataclass
class Pipeline:
    """What a job of a pipeline has: a deployment file and a key."""

    folder: Path
    server: Server

    def run(self, script: str, *words: str) -> "subprocess.CompletedProcess[str]":
        env = {
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "SLUICE_DEPLOYMENT_FILE": str(self.folder / "deployment.yaml"),
        }
        return subprocess.run(
            [sys.executable, str(ROOT / "scripts" / script), *words],
            cwd=self.folder,
            env={**env, "STAGING_KEY": ADMIN},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def weights(self) -> Any:
        answer = self.server.get("/v1/models/shop/traffic", {"X-API-Key": ADMIN})
        return answer.json()["weights"]

    def ask(self, times: int) -> None:
        for number in range(times):
            self.server.post("/v1/models/shop/predict", {"features": [5 + number % 3]}, {"X-API-Key": ADMIN})


@pytest.fixture
def pipeline(tmp_path: Path, repository: Repository) -> Iterator[Pipeline]:
    linear((1.0,), name="shop").add(repository)
    linear((1.0,), name="shop", version="v2").add(repository)
    fragile(name="shop", version="v0").add(repository)
    (tmp_path / "server").mkdir()
    env = {"SLUICE_AUTH": "on", "SLUICE_BOOTSTRAP_ADMIN_KEY": ADMIN}
    with Server(tmp_path / "server", env, repository.root) as server:
        marker = tmp_path / "brought"
        command = f'["{sys.executable}", "-c", "import sys; open(sys.argv[1], chr(119)).write(sys.argv[2])", "{marker}"'
        (tmp_path / "deployment.yaml").write_text(
            f"environments:\n  staging:\n    url: {server.url}\n    key_variable: STAGING_KEY\n    model: shop\n"
            f'    command: {command}, "{{image}}"]\n'
            f"  keyless:\n    url: {server.url}\n    key_variable: NO_KEY\n"
        )
        yield Pipeline(tmp_path, server)


def counted(pipeline: Pipeline, version: str, least: int) -> None:
    def enough() -> bool:
        arms = pipeline.server.get("/v1/models/shop/experiment", {"X-API-Key": ADMIN}).json()["arms"]
        return any(arm["version"] == version and arm["requests"] >= least for arm in arms)

    wait_until(enough, 10, f"{least} requests of {version}")


def test_a_canary_is_deployed_watched_and_made_the_only_one(pipeline: Pipeline) -> None:
    pipeline.server.send(_put({"v1": 100}))
    deployed = pipeline.run(
        "deploy_model.py", "--environment", "staging", "--image", "registry/shop:abc", "--traffic-percent", "40"
    )
    assert deployed.returncode == 0, deployed.stderr
    assert (pipeline.folder / "brought").read_text() == "registry/shop:abc"
    assert pipeline.weights() == {"v1": 60, "v2": 40}
    wait_until(lambda: '"weights":{"v1":6000,"v2":4000}' in pipeline.server.log, 5, "the plan to be in force")
    pipeline.ask(120)
    counted(pipeline, "v2", 20)
    watch = ["--duration", "2s", "--interval", "1s", "--min-requests", "20", "--max-latency-p95", "5000"]
    held = pipeline.run("monitor_canary.py", *watch, "--min-success-rate", "99")
    assert (held.returncode, "100.00 % answered" in held.stdout) == (0, True), held.stderr
    few = pipeline.run("monitor_canary.py", *watch, "--min-requests", "5000")
    assert few.returncode == 2
    slow = pipeline.run("monitor_canary.py", *watch, "--max-latency-p95", "0.0001")
    assert slow.returncode == 1
    everybody = pipeline.run(
        "deploy_model.py", "--environment", "staging", "--image", "registry/shop:abc", "--strategy", "blue-green",
        "--traffic-percent", "100",
    )  # fmt: skip
    assert everybody.returncode == 0, everybody.stderr
    assert pipeline.weights() == {"v2": 100}


def test_a_canary_that_fails_stops_the_pipeline(pipeline: Pipeline) -> None:
    pipeline.server.send(_put({"v1": 50, "v0": 50}))
    wait_until(lambda: '"v0":5000' in pipeline.server.log, 5, "the plan to be in force")
    pipeline.ask(80)
    counted(pipeline, "v0", 20)
    watched = pipeline.run("monitor_canary.py", "--duration", "30s", "--interval", "1s", "--min-requests", "10")
    assert watched.returncode == 1
    assert "0.00 % answered" in watched.stdout
    written = pipeline.run("deployment_report.py", "--environment", "staging", "--output", "report")
    assert written.returncode == 0, written.stderr
    told = (pipeline.folder / "report.md").read_text()
    assert "| v0 | - | 50 % |" in told
    assert "100.00 %" in told
    page = (pipeline.folder / "report.html").read_text()
    assert page.count("<svg") == 3
    fromstring(page[page.index("<svg") : page.index("</svg>") + 6])


def test_what_cannot_work_says_why(pipeline: Pipeline) -> None:
    nowhere = pipeline.run("deploy_model.py", "--environment", "moon", "--image", "x")
    assert (nowhere.returncode, "it has staging, keyless" in nowhere.stderr) == (1, True)
    keyless = pipeline.run("deploy_model.py", "--environment", "keyless", "--image", "x")
    assert (keyless.returncode, keyless.stderr.endswith("(401) Set NO_KEY.\n")) == (1, True)
    absent = ["--environment", "staging", "--image", "x", "--version", "v9", "--wait", "1"]
    assert "was not served within 1 s" in pipeline.run("deploy_model.py", *absent).stderr
    pipeline.server.stop()
    away = pipeline.run("monitor_canary.py", "--duration", "1s")
    assert (away.returncode, "the url in the deployment file its address?" in away.stderr) == (3, True)


def test_models_come_from_a_folder_or_over_http(tmp_path: Path, repository: Repository) -> None:
    for version in ("v9", "v10"):
        linear(name="churn_predictor", version=version).add(repository)
    (repository.root / "churn_predictor" / "versions.json").write_text(json.dumps(["v9", "v10"]))
    handler = partial(SimpleHTTPRequestHandler, directory=str(repository.root))
    with ThreadingHTTPServer((HOST, 0), handler) as web:
        Thread(target=web.serve_forever, daemon=True).start()
        for number, registry in enumerate([str(repository.root), f"http://{HOST}:{web.server_port}"]):
            to = tmp_path / f"to-{number}"
            words = ["--model-name", "churn_predictor", "--registry", registry, "--output", str(to)]
            done = _download(*words, "--version", "latest")
            assert done.stdout.strip() == str(to / "churn_predictor" / "v10"), done.stderr
            assert Repository(to).read("churn_predictor", "v10").model
            assert "is there already" in _download(*words, "--version", "v10").stderr
            assert "it has v9, v10" in _download(*words, "--version", "v11").stderr
        (repository.root / "churn_predictor" / "v9" / "model.onnx").write_bytes(b"damaged")
        for registry in (str(repository.root), f"http://{HOST}:{web.server_port}"):
            words = ["--model-name", "churn_predictor", "--registry", registry, "--output", str(tmp_path / "to")]
            assert "has sha256" in _download(*words, "--version", "v9").stderr
        assert not (tmp_path / "to").exists()
        web.shutdown()
    with pytest.raises(DownloadFailed, match="holds churn_predictor, and no churn; name another place"):
        source_of(str(repository.root)).choose("churn", "latest")


def _download(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "scripts/download_model.py", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def _put(weights: dict[str, float]) -> bytes:
    return message("PUT", "/v1/models/shop/traffic", {"weights": weights}, {"X-API-Key": ADMIN})
