"""Versions that come, change, break and go while requests are answered: nobody notices, all workers agree."""

import gc
import shutil
import socket
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import pytest
import structlog

from app.registry.announcements import Announcements
from app.registry.registry import GONE, Registry
from app.registry.repository import Repository
from app.registry.watch import Watch
from app.runtimes.onnx import OnnxRuntime
from app.state.memory import MemoryState
from tests.client import message, read_answer
from tests.conftest import StartServer
from tests.load import Load
from tests.models import heavy, identity, linear, square_root
from tests.programs import HOST, wait_until
from tests.servers import RedisServer, Server

AGREE_S = 2.0
"""Within so long all workers agree. On a machine that is busy with other things one time in two may take longer."""

PATIENCE_S = 30.0
Spoil = Callable[[Path], object]


@pytest.fixture
def running(tmp_path: Path, repository: Repository) -> Iterator[Server]:
    """Two workers, each with eyes of its own."""
    linear().add(repository)
    (tmp_path / "server").mkdir()
    with Server(tmp_path / "server", {"WEB_CONCURRENCY": "2", "SLUICE_LOG_LEVEL": "info"}, repository.root) as server:
        yield server


def of_every_worker(server: Server, path: str) -> list[object]:
    """What 16 connections are told that are open at a time, so that no worker can have them all."""
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection((HOST, server.port), 30)) for _ in range(16)]
        for line in lines:
            line.sendall(message("GET", path))
        return [read_answer(line, "GET").json() for line in lines]


def agree(server: Server, true: Callable[[object], bool], what: str, path: str = "/v1/models") -> float:
    """How many seconds it took until every worker said so; asking them all is not counted."""
    began, asked = monotonic(), 0.0

    def said() -> bool:
        nonlocal asked
        asked = monotonic()
        return all(map(true, of_every_worker(server, path)))

    wait_until(said, PATIENCE_S, what)
    return asked - began


def at_least(server: Server, text: str, times: int) -> bool:
    """Whether its log holds the text so often."""
    return server.log.count(text) >= times


def versions(body: object, model: str = "linear") -> dict[str, str | None]:
    """Served versions and what is said about them."""
    found = {entry["name"]: entry for entry in body["models"]}  # type: ignore[index]
    return {it["version"]: it["reason"] for it in found[model]["versions"] if it["state"] == "served"}


def test_versions_appear_and_go_and_no_request_is_lost(running: Server, repository: Repository) -> None:
    load = Load(running.port, connections=4, rate=100).start()
    try:
        linear(version="v2").add(repository)
        took = [agree(running, lambda body: set(versions(body)) == {"v1", "v2"}, "v2 in every worker")]
        linear(name="other").add(repository)
        took.append(agree(running, lambda body: len(body["models"]) == 2, "another model"))  # type: ignore[index]
        shutil.rmtree(repository.root / "linear")
        took.append(agree(running, lambda body: versions(body) == {"v1": GONE, "v2": GONE}, "both to be gone"))
        assert running.get("/health/ready").json()["status"] == "degraded"
        sleep(1)
    finally:
        outcome = load.stop()
    assert outcome.wrong == []
    assert len(outcome.ids) > 100
    assert median(took) < AGREE_S


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
    took = []
    load = Load(running.port, connections=4, rate=100).start()
    try:
        for number, (fault, (spoil, reason)) in enumerate(faults.items(), 1):
            spoil(folder)
            told = agree(running, lambda body, it=reason: it in str(versions(body)["v1"]), f"{fault} to be told")
            logged = partial(at_least, running, '"event":"model_refused"', 2 * number)
            wait_until(logged, PATIENCE_S, f"both workers to log {fault}")
            shutil.rmtree(folder)
            shutil.copytree(sound, folder)
            took += [told, agree(running, lambda body: versions(body) == {"v1": None}, f"all to be well after {fault}")]
    finally:
        outcome = load.stop()
    assert outcome.wrong == []
    assert median(took) < AGREE_S


@pytest.mark.parametrize("shared", ["file", "redis"])
def test_what_one_worker_is_told_all_do(
    shared: str, tmp_path: Path, repository: Repository, redis_server: RedisServer
) -> None:
    linear().add(repository)
    env = {"WEB_CONCURRENCY": "2", "SLUICE_WATCH_MODELS": "off"}
    env |= {"SLUICE_REDIS_URL": redis_server.url} if shared == "redis" else {}
    (tmp_path / "server").mkdir()
    took = []
    with Server(tmp_path / "server", env, repository.root) as server:
        linear(version="v2").add(repository)
        sleep(1.5)
        assert all(set(versions(body)) == {"v1"} for body in of_every_worker(server, "/v1/models"))
        for action, serving in (("load", {"v1", "v2"}), ("unload", set()), ("load", {"v1", "v2"})):
            assert server.post(f"/v2/repository/models/linear/{action}", {}).status == 200
            took.append(agree(server, lambda body, it=serving: set(versions(body)) == it, f"every worker to {action}"))
    assert median(took) < AGREE_S


def resident_mb(pid: int) -> float:
    """Memory that a process holds."""
    (line,) = (it for it in Path(f"/proc/{pid}/status").read_text().splitlines() if it.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def mapped_layouts(pid: int) -> set[str]:
    """Laid-out weights that a process has in its address space."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split()[-1] for line in lines if line.endswith("weights.bin")}


def test_memory_is_given_back(start_server: StartServer, repository: Repository, tmp_path: Path) -> None:
    """A model of 100 MB of the worker's own: loaded, asked, replaced again and again, unloaded."""
    server, swap = start_heavy(start_server, repository, tmp_path, "0")
    (worker,) = server.workers
    loaded = resident_mb(worker)
    for _ in range(4):
        swap()
    wait_until(lambda: resident_mb(worker) < loaded + 50, 5, f"{resident_mb(worker):.0f} MB to become {loaded:.0f}")
    assert server.post("/v2/repository/models/heavy/unload", {}).status == 200
    wait_until(lambda: resident_mb(worker) < loaded - 90, 5, f"{resident_mb(worker):.0f} MB of {loaded:.0f} to be back")
    assert server.post("/v1/models/linear/predict", {"features": [1, 2]}).status == 200


def test_mapped_weights_are_let_go(start_server: StartServer, repository: Repository, tmp_path: Path) -> None:
    server, swap = start_heavy(start_server, repository, tmp_path, "32")
    (worker,) = server.workers
    before = mapped_layouts(worker)
    assert len(before) == 1
    swap()
    wait_until(lambda: len(mapped_layouts(worker)) == 1, 5, "one layout in place of the other")
    assert mapped_layouts(worker) != before
    assert server.post("/v2/repository/models/heavy/unload", {}).status == 200
    wait_until(lambda: not mapped_layouts(worker), 5, "the last layout to go")


def start_heavy(
    start_server: StartServer, repository: Repository, tmp_path: Path, map_from_mb: str
) -> tuple[Server, Callable[[], None]]:
    """A server with 100 MB among its models, and what puts another file in their place, has it loaded and asks it."""
    linear().add(repository)
    folder = heavy(100).add(repository)
    other = heavy(100, bias=1.0).add(Repository(tmp_path / "elsewhere"))
    server = start_server({"SLUICE_CACHE": "off", "SLUICE_MAP_MODELS_MB": map_from_mb}, repository.root)

    def swap() -> None:
        folder.rename(tmp_path / "going")
        other.rename(folder)
        (tmp_path / "going").rename(other)
        assert server.post("/v2/repository/models/heavy/load", {}).status == 200
        assert server.post("/v1/models/heavy/predict", {"features": [1]}).status == 200

    return server, swap


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
