"""What workers hold in memory: weights once for all of them, and no worker that grows for ever."""

import re
from pathlib import Path

from app.registry.repository import Repository
from tests.conftest import StartServer
from tests.models import identity, weighty
from tests.programs import wait_until
from tests.servers import Server

MIB = 1 << 20


def _private(pid: int) -> int:
    """Bytes that no other process shares."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) * 1024 for size in re.findall(r"^Private_(?:Clean|Dirty):\s+(\d+) kB", text, re.MULTILINE))


def _asked(server: Server) -> None:
    """Every worker has answered with the model, so whatever it needs for that is there."""
    for _ in range(12):
        answer = server.post("/v1/models/weighty/predict", {"features": [7]})
        assert (answer.status, answer.json()["prediction"]) == (200, 7)


def test_a_second_worker_of_a_100_mb_model_costs_25_mib_at_most(
    start_server: StartServer, repository: Repository, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    bare = start_server({"WEB_CONCURRENCY": "2"}, models=tmp_path / "empty")
    nothing = max(map(_private, bare.workers))
    bare.stop()
    weighty().add(repository)
    assert (repository.root / "weighty" / "v1" / "model.onnx").stat().st_size > 100e6
    server = start_server({"WEB_CONCURRENCY": "2"}, models=repository.root)
    _asked(server)
    costs = [(_private(pid) - nothing) / MIB for pid in server.workers]
    assert len(costs) == 2
    assert max(costs) <= 25, f"{costs} MiB beyond a worker without a model"
    wait_until(lambda: _reasonable(server), 10, "each worker's memory in /metrics")


def _reasonable(server: Server) -> bool:
    shown = server.get("/metrics").body.decode()
    own = re.findall(r'sluice_worker_memory_bytes\{kind="own",pid="(\d+)"\} (\S+)', shown)
    return {int(pid) for pid, _ in own} == set(server.workers) and all(20e6 < float(size) < 200e6 for _, size in own)


def test_a_worker_that_grows_too_large_is_replaced_and_nobody_notices(
    start_server: StartServer, repository: Repository, tmp_path: Path
) -> None:
    """What grows is a cache with more room than the limit leaves it; the limit is 1.25 times what a fresh one has."""
    identity(2).add(repository)
    deployment = tmp_path / "deployment.yaml"
    deployment.write_text("cache: {l1: 'on'}\n")
    env = {"SLUICE_WORKER_MEMORY_MB": "1", "SLUICE_DEPLOYMENT_FILE": str(deployment)}
    server = start_server(env, models=repository.root)
    first, at = server.workers, 0
    while "worker_retires" not in server.log:
        rows = [[number, -number] for number in range(at, at + 5_000)]
        at += 5_000
        answer = server.post("/v1/models/identity/predict", {"instances": rows})
        assert (answer.status, answer.json()["predictions"][-1]["prediction"]) == (200, rows[-1])
        assert at < 400_000, "it never went"
    wait_until(lambda: bool(server.workers) and server.workers != first, 20, "another worker")
    assert server.post("/v1/models/identity/predict", {"features": [1, 2]}).status == 200
