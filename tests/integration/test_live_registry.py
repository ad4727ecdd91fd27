"""Versions that come, change, break and go while requests are answered: nobody notices, all workers agree."""

import gc
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep

import pytest
import structlog

from app.registry.announcements import Announcements
from app.registry.registry import GONE, Registry
from app.registry.repository import Repository
from app.registry.watch import Watch
from app.runtimes.onnx import OnnxRuntime
from app.state.memory import MemoryState
from tests.load import Load
from tests.models import identity, linear, square_root
from tests.programs import wait_until
from tests.servers import RedisServer, Server

AGREE_S = 10.0
"""Two seconds, were the machine idle."""
Spoil = Callable[[Path], object]


@pytest.fixture
def running(tmp_path: Path, repository: Repository) -> Iterator[Server]:
    """Two workers, each with eyes of its own."""
    linear().add(repository)
    (tmp_path / "server").mkdir()
    with Server(tmp_path / "server", {"WEB_CONCURRENCY": "2", "SLUICE_LOG_LEVEL": "info"}, repository.root) as server:
        yield server


def of_every_worker(server: Server, path: str) -> list[object]:
    """What 16 connections are told; with two workers that is both, but for one time in 30,000."""
    return [server.get(path).json() for _ in range(16)]


def agree(server: Server, true: Callable[[object], bool], what: str, path: str = "/v1/models") -> None:
    wait_until(lambda: all(map(true, of_every_worker(server, path))), AGREE_S, what)


def versions(body: object, model: str = "linear") -> dict[str, str | None]:
    """Served versions and what is said about them."""
    found = {entry["name"]: entry for entry in body["models"]}  # type: ignore[index]
    return {it["version"]: it["reason"] for it in found[model]["versions"] if it["state"] == "served"}


def test_versions_appear_and_go_and_no_request_is_lost(running: Server, repository: Repository) -> None:
    load = Load(running.port, connections=4, rate=100).start()
    try:
        linear(version="v2").add(repository)
        agree(running, lambda body: set(versions(body)) == {"v1", "v2"}, "v2 in every worker")
        linear(name="other").add(repository)
        agree(running, lambda body: len(body["models"]) == 2, "another model in every worker")  # type: ignore[index]
        shutil.rmtree(repository.root / "linear")
        agree(running, lambda body: versions(body) == {"v1": GONE, "v2": GONE}, "both versions to say they are gone")
        assert running.get("/health/ready").json()["status"] == "degraded"
        sleep(1)
    finally:
        outcome = load.stop()
    assert outcome.wrong == []
    assert len(outcome.ids) > 100


def truncated(folder: Path) -> None:
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:-20])


def flipped(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)


def outside(folder: Path) -> None:
    elsewhere = folder.parents[2] / "elsewhere.onnx"
    shutil.copy(folder / "model.onnx", elsewhere)
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(elsewhere)


def replaced_by(other: Path) -> Spoil:
    def spoil(folder: Path) -> None:
        for file in ("model.onnx", "manifest.yaml"):
            shutil.copy(other / file, folder / file)

    return spoil


def test_a_reload_that_fails_leaves_the_old_version_answering(
    running: Server, repository: Repository, tmp_path: Path
) -> None:
    """Wrong width and NaN come with digests that fit: only loading and running them tells."""
    elsewhere = Repository(tmp_path / "elsewhere")
    wide = identity(3, name="linear").golden({"f0": 1.0, "f1": 1.0, "f2": 1.0}, {"Y": [1.0, 1.0]}).add(elsewhere)
    rooted = square_root(name="linear", version="v9").golden({"f0": -1.0}, {"Y": [1.0]}).add(elsewhere)
    rooted.joinpath("manifest.yaml").write_text(rooted.joinpath("manifest.yaml").read_text().replace("v9", "v1"))
    folder = repository.root / "linear" / "v1"
    faults: dict[str, tuple[Spoil, str]] = {
        "truncated": (truncated, "sha256"),
        "flipped": (flipped, "sha256"),
        "empty": (lambda folder: (folder / "model.onnx").write_bytes(b""), "empty"),
        "half copied": (lambda folder: (folder / "model.onnx").unlink(), "cannot be read"),
        "outside": (outside, "outside the model repository"),
        "wrong width": (replaced_by(wide), "golden row"),
        "NaN": (replaced_by(rooted), "golden row"),
        "no manifest left": (lambda folder: (folder / "manifest.yaml").write_text("{"), "manifest"),
    }
    sound = tmp_path / "sound"
    shutil.copytree(folder, sound)
    load = Load(running.port, connections=4, rate=100).start()
    try:
        for fault, (spoil, reason) in faults.items():
            spoil(folder)
            agree(running, lambda body, reason=reason: reason in str(versions(body)["v1"]), f"{fault} to be told")
            shutil.rmtree(folder)
            shutil.copytree(sound, folder)
            agree(running, lambda body: versions(body) == {"v1": None}, f"all to be well after {fault}")
    finally:
        outcome = load.stop()
    assert outcome.wrong == []
    assert running.log.count('"event":"model_refused"') >= 2 * len(faults)


@pytest.mark.parametrize("shared", ["file", "redis"])
def test_what_one_worker_is_told_all_do(
    shared: str, tmp_path: Path, repository: Repository, redis_server: RedisServer
) -> None:
    linear().add(repository)
    env = {"WEB_CONCURRENCY": "2", "SLUICE_WATCH_MODELS": "off"}
    env |= {"SLUICE_REDIS_URL": redis_server.url} if shared == "redis" else {}
    (tmp_path / "server").mkdir()
    with Server(tmp_path / "server", env, repository.root) as server:
        linear(version="v2").add(repository)
        sleep(1.5)
        assert all(set(versions(body)) == {"v1"} for body in of_every_worker(server, "/v1/models"))
        assert server.post("/v2/repository/models/linear/load", {}).status == 200
        agree(server, lambda body: set(versions(body)) == {"v1", "v2"}, "v2 in every worker")
        assert server.post("/v2/repository/models/linear/unload", {}).status == 200
        agree(server, lambda body: versions(body) == {}, "no worker to serve")
        assert server.post("/v2/repository/models/linear/load", {}).status == 200
        agree(server, lambda body: set(versions(body)) == {"v1", "v2"}, "both versions again")


def test_what_is_replaced_is_given_back(tmp_path: Path, repository: Repository) -> None:
    linear().add(repository)
    log = structlog.get_logger()
    registry = Registry(repository, lambda model, external, *_: OnnxRuntime(model, external), log)
    watch = Watch(registry, Announcements(MemoryState(tmp_path / "var"), registry, log), True, log)
    watch.remember()
    registry.load()
    in_use = registry.version("linear")
    old = weakref.ref(in_use._runtime)
    repository.remove("linear", "v1")
    linear((3.0, 3.0)).add(repository)
    for _ in range(3):
        watch.look()
    assert registry.version("linear") is not in_use
    gc.collect()
    assert old() is not None
    del in_use
    gc.collect()
    assert old() is None


def test_a_copy_under_way_is_left_alone(tmp_path: Path, repository: Repository) -> None:
    made = linear(version="v2").add(Repository(tmp_path / "elsewhere"))
    linear().add(repository)
    log = structlog.get_logger()
    registry = Registry(repository, lambda model, external, *_: OnnxRuntime(model, external), log)
    watch = Watch(registry, Announcements(MemoryState(tmp_path / "var"), registry, log), True, log)
    watch.remember()
    registry.load()
    folder = repository.root / "linear" / "v2"
    folder.mkdir()
    data = (made / "model.onnx").read_bytes()
    for size in (1, len(data) // 2, len(data)):
        (folder / "model.onnx").write_bytes(data[:size])
        watch.look()
        watch.look()
        assert "v2" not in registry.model("linear").versions
    shutil.copy(made / "manifest.yaml", folder / "manifest.yaml")
    watch.look()
    assert "v2" not in registry.model("linear").versions
    watch.look()
    assert registry.version("linear", "v2")
