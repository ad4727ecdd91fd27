"""Files that are not what they should be: that version is refused with a reason, all others are served."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.registry.manifest import Feature
from app.registry.repository import Repository
from tests.conftest import StartServer
from tests.contract.problems import assert_refused
from tests.models import TinyModel, columns, external, fragile, image, linear, square_root
from tests.servers import Server

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 12)
)
"""Ten to the power of twelve words once its aliases are followed."""

AGE = Feature("age", "float32", "age")
Spoil = Callable[[Repository, str], None]


class UnprivilegedServer(Server):
    """Ours without root's right to read every file, so that file modes count in a container too."""

    def command(self) -> Sequence[str]:
        drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
        return [*(drop if os.geteuid() == 0 else []), *super().command()]


def on_model(
    change: Callable[[Path], object], tiny: Callable[[str], TinyModel] = lambda name: linear(name=name)
) -> Spoil:
    """Add a good model, then do something to its model.onnx."""

    def spoil(repository: Repository, name: str) -> None:
        change(tiny(name).add(repository) / "model.onnx")

    return spoil


def on_manifest(change: Callable[[Path], object]) -> Spoil:
    """Add a good model, then do something to its manifest.yaml."""

    def spoil(repository: Repository, name: str) -> None:
        change(linear(name=name).add(repository) / "manifest.yaml")

    return spoil


def added(make: Callable[[str], TinyModel]) -> Spoil:
    """Add a model that was wrong from the start."""

    def spoil(repository: Repository, name: str) -> None:
        make(name).add(repository)

    return spoil


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Put something else in a file's place."""

    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def text(old: str, new: str) -> Spoil:
    """Replace words of the manifest."""

    def change(path: Path) -> None:
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new))

    return on_manifest(change)


def appended(line: str) -> Spoil:
    """Add to the manifest."""
    return on_manifest(lambda path: path.write_text(path.read_text() + line + "\n"))


def written(data: bytes) -> Spoil:
    """A manifest of these bytes."""
    return on_manifest(lambda path: path.write_bytes(data))


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def halved(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def sparse(path: Path) -> None:
    os.truncate(path, 40 << 30)


def outside(path: Path) -> None:
    copy = path.parents[3] / f"outside-{path.parents[1].name}-{path.name}"
    path.rename(copy)
    path.symlink_to(copy)


def outside_folder(path: Path) -> None:
    copy = path.parents[3] / f"outside-{path.parents[1].name}"
    path.parent.rename(copy)
    path.parent.symlink_to(copy)


def with_external(location: str, listed: bool = True) -> Spoil:
    """Weights that lie, by the file's own word, elsewhere; the manifest has their right digest."""

    def spoil(repository: Repository, name: str) -> None:
        weights = bytes(16)
        folder = external(location, name=name).add(repository)
        target = folder / location
        if not target.exists():
            target.write_bytes(weights)
        if listed:
            digest = hashlib.sha256(target.read_bytes()).hexdigest()
            manifest = folder / "manifest.yaml"
            manifest.write_text(manifest.read_text() + f"external: {{{json.dumps(location)}: {digest}}}\n")

    return spoil


def rows(made: TinyModel, features: dict[str, Any], outputs: dict[str, Any]) -> TinyModel:
    return made.golden(features, outputs)


FAULTS: dict[str, tuple[Spoil, str]] = {
    "truncated": (on_model(halved), "model.onnx has sha256"),
    "flipped": (on_model(flipped), "model.onnx has sha256"),
    "empty": (on_model(lambda path: path.write_bytes(b"")), "model.onnx is empty"),
    "absent": (on_model(lambda path: path.unlink()), "model.onnx cannot be read: No such file"),
    "no-onnx": (added(lambda name: linear(name=name).holding(b"PK\x03\x04 zip")), "protobuf parsing failed"),
    "half-copied": (added(lambda name: linear(name=name).holding(linear().model[:100])), ""),
    "folder-for-a-file": (on_model(replaced(Path.mkdir)), "model.onnx is not a regular file"),
    "fifo-for-a-file": (on_model(replaced(os.mkfifo)), "model.onnx is not a regular file"),
    "sparse": (on_model(sparse), "model.onnx is larger than"),
    "unreadable": (on_model(lambda path: path.chmod(0)), "model.onnx cannot be read: Permission denied"),
    "linked-outside": (on_model(outside), "model.onnx lies outside the model repository"),
    "linked-folder": (on_model(outside_folder), "lies outside the model repository"),
    "linked-to-zeros": (on_model(replaced(lambda path: path.symlink_to("/dev/zero"))), "lies outside"),
    "linked-nowhere": (on_model(replaced(lambda path: path.symlink_to("none"))), "cannot be read: No such file"),
    "linked-in-a-circle": (on_model(replaced(lambda path: path.symlink_to(path))), "model.onnx cannot be read"),
    "external-above": (with_external("../../../weights"), "lies outside the version's folder"),
    "external-absolute": (with_external("/etc/hostname"), "lies outside the version's folder"),
    "external-neighbour": (with_external("../../good/v1/model.onnx"), "lies outside the version's folder"),
    "external-unlisted": (with_external("weights", listed=False), ""),
    "wrong-width": (added(lambda name: linear((1, 2), name=name).but(features=linear((1, 2, 3)).manifest.features)),
                    "input 'X' takes 2 columns, 3 features feed it"),
    "wrong-input": (text("input: X", "input: Z"), "feeds 'Z'; the inputs are X"),
    "wrong-output": (text("{name: Y, role: value}", "{name: Z, role: value}"), "no output 'Z'"),
    "wrong-type": (added(lambda name: columns(name=name).but(features=(Feature("city", "float32", "city"), AGE))),
                   "input 'city' is of string, feature 'city' of float32"),
    "wrong-shape": (added(lambda name: image(name=name).but(features=(Feature("p", "float32", "pixels", (3, 2)),))),
                    "input 'pixels' takes rows of 2x3, its feature has 3x2"),
    "plain-for-shaped": (added(lambda name: image(name=name).but(features=(Feature("p", "float32", "pixels"),))), ""),
    "golden-differs": (text("Y: [3.5]", "Y: [3.6]"), "golden row 0: 'Y' gave [3.5], expected [3.6]"),
    "golden-of-another-shape": (text("Y: [3.5]", "Y: [3.5, 3.5]"), "golden row 0: 'Y' gave [3.5]"),
    "golden-is-no-number": (text("Y: [3.5]", "Y: [three]"), "golden row 0: 'Y' gave [3.5]"),
    "golden-of-no-output": (text("Y: [3.5]", "Z: [3.5]"), "golden row 0: the model has no output 'Z'"),
    "golden-does-not-fit": (text("{f0: 1.0, f1: 1.0}", "{f0: 1.0, f1: x}"),
        "golden row 0: features.f1: must be a number"),
    "golden-is-nan": (added(lambda name: rows(square_root(name=name), {"f0": -1}, {"Y": [float("nan")]})),
                      "golden row 0: 'Y' gave [nan]"),
    "golden-raises": (added(lambda name: rows(fragile(name=name), {"f0": 7}, {"Y": [1]})), "golden row 0"),
    "no-manifest": (on_manifest(lambda path: path.unlink()), "manifest.yaml cannot be read: No such file"),
    "empty-manifest": (written(b""), "manifest.yaml: must be a mapping"),
    "list-for-manifest": (written(b"- name: x\n"), "manifest.yaml: must be a mapping"),
    "bad-yaml": (written(b"name: [linear\nversion: v1"), "manifest.yaml cannot be read"),
    "tabbed-yaml": (written(b"name:\n\t- x"), "manifest.yaml cannot be read"),
    "python-in-yaml": (written(b"name: !!python/object/apply:os.system ['true']"), "manifest.yaml cannot be read"),
    "latin1-manifest": (written("name: \xfcber".encode("latin-1")), "manifest.yaml cannot be read"),
    "binary-manifest": (written(bytes(range(256))), "manifest.yaml cannot be read"),
    "deep-manifest": (written(b"name: " + b"[" * 100_000), "manifest.yaml cannot be read"),
    "big-number": (appended("tolerance: " + "9" * 5000), "manifest.yaml cannot be read"),
    "big-manifest": (on_manifest(lambda path: os.truncate(path, 40 << 30)), "manifest.yaml is larger than"),
    "fifo-manifest": (on_manifest(replaced(os.mkfifo)), "manifest.yaml is not a regular file"),
    "linked-manifest": (on_manifest(outside), "manifest.yaml lies outside the model repository"),
    "unknown-key": (appended("colour: red"), "manifest.yaml: colour: Unknown field"),
    "unknown-feature-key": (text("input: X}", "input: X, rnage: [0, 1]}"), "features[0].rnage: Unknown field"),
    "key-twice": (appended("task: raw"), "'task' stands twice"),
    "missing-key": (text("task: regression\n", ""), "manifest.yaml: task: Missing data"),
    "wrong-task": (text("task: regression", "task: guess"), "manifest.yaml: task: Must be one of"),
    "wrong-name": (text("version: v1", "version: v2"),
        "manifest.yaml is of wrong-name/v2, its folder is wrong-name/v1"),
    "name-is-a-path": (text("name: name-is-a-path", "name: ../linear"), "manifest.yaml: name: "),
    "feature-twice": (text("name: f1", "name: f0"), "named twice: f0"),
    "impute-does-not-fit": (text("input: X}", "input: X, missing: impute, impute: none}"), "impute"),
    "taken-entity-key": (appended("entity_key: instances"), "entity_key"),
    "taken-probability-name": (appended("probability_name: prediction"), "probability_name"),
    "yaml-bomb": (written(BOMB.encode()), "aliases"),
    "yaml-bomb-in-golden": (text("Y: [3.5]", "Y: &y [3.5, 3.5]\n    Z: [*y, *y]"), "aliases"),
    "yaml-circle": (appended("labels: &a [*a]"), "manifest.yaml"),
}  # fmt: skip


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One good model among all the others, and how long the start took."""
    folder = tmp_path_factory.mktemp("faulty")
    repository = Repository(folder / "models")
    linear(name="good").add(repository)
    (folder / "weights").write_bytes(bytes(16))
    for name, (spoil, _) in FAULTS.items():
        spoil(repository, name)
    (repository.root / ".adding-x").mkdir()
    (repository.root / "not a name").mkdir()
    (repository.root / "file").write_text("")
    with UnprivilegedServer(folder, models=repository.root) as server:
        yield server


@pytest.mark.parametrize("name", FAULTS)
def test_refused_with_its_reason(faulty: Server, name: str) -> None:
    reason = FAULTS[name][1]
    (version,) = faulty.get("/health/ready").json()["models"][name]["versions"]
    assert version["state"] == "refused"
    assert reason in version["reason"]
    assert len(version["reason"]) < 1000
    assert "crash" not in version["reason"]
    assert "could not be loaded" not in version["reason"]
    (line,) = [item for item in _log(faulty) if item.get("event") == "model_refused" and item["model"] == name]
    assert line["reason"] == version["reason"]
    described = faulty.get(f"/v1/models/{name}").json()
    assert (described["ready"], described["versions"][0]["reason"]) == (False, version["reason"])
    assert_refused(faulty.post(f"/v1/models/{name}/predict", {"features": [1, 2]}), 503)


def test_the_good_model_is_served_among_them(faulty: Server) -> None:
    ready = faulty.get("/health/ready")
    assert (ready.status, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["models"].keys() == {"good", *FAULTS}
    assert faulty.post("/v1/models/good/predict", {"features": [1, 2]}).json()["prediction"] == 5.5
    assert faulty.get("/health").json() == {"status": "degraded", "model_loaded": True}


def test_none_of_them_delays_the_start(faulty: Server, start_server: StartServer, repository: Repository) -> None:
    """Against a start with the good model alone, on the same machine."""
    linear(name="good").add(repository)
    started = time.monotonic()
    start_server(models=repository.root)
    alone = time.monotonic() - started
    faulty.stop()
    started = time.monotonic()
    faulty.start()
    assert time.monotonic() - started < alone + 3


def _log(server: Server) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]


def test_external_data_in_the_folder_is_served(start_server: StartServer, repository: Repository) -> None:
    weights = b"".join(value.to_bytes(4, "little") for value in (0, 0x3F800000, 0x40000000, 0x40400000))
    digest = hashlib.sha256(weights).hexdigest()
    external("weights.bin").but(external={"weights.bin": digest}).add(repository, {"weights.bin": weights})
    server = start_server(models=repository.root)
    assert server.post("/predict", {"features": [0, 0, 0, 0]}).json()["prediction"] == [0, 1, 2, 3]


def test_links_inside_the_repository_are_followed(start_server: StartServer, repository: Repository) -> None:
    """As volumes of Kubernetes are laid out."""
    folder = linear(name="linked").add(repository)
    folder.rename(repository.root / ".data")
    folder.symlink_to(repository.root / ".data")
    server = start_server(models=repository.root)
    assert server.post("/predict", {"features": [1, 2]}).json()["prediction"] == 5.5


def test_a_newer_version_that_is_refused_leaves_the_older_one(
    start_server: StartServer, repository: Repository
) -> None:
    linear().add(repository)
    flipped(linear((9, 9), version="v2").add(repository) / "model.onnx")
    server = start_server(models=repository.root)
    assert server.post("/predict", {"features": [1, 2]}).json()["model_version"] == "v1"


def test_a_refused_default_version_is_not_replaced_by_another(
    start_server: StartServer, repository: Repository, tmp_path: Path
) -> None:
    """Which version answers is the operator's word."""
    linear().add(repository)
    flipped(linear((9, 9), version="v2").add(repository) / "model.onnx")
    deployment = tmp_path / "deployment.yaml"
    deployment.write_text("default_model: linear\nmodels: {linear: {default_version: v2}}\n")
    server = start_server({"SLUICE_DEPLOYMENT_FILE": str(deployment)}, models=repository.root)
    assert_refused(server.post("/predict", {"features": [1, 2]}), 503)
    assert server.get("/health").status == 503
    assert server.get("/health/ready").json()["status"] == "unready"
    assert server.post("/v1/models/linear/versions/v1/predict", {"features": [1, 2]}).status == 200


def test_no_repository_at_all(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(models=tmp_path / "nowhere")
    assert server.get("/health").json() == {"status": "unhealthy", "model_loaded": False}
    assert server.get("/health/live").status == 200
    assert server.get("/v1/models").json()["models"] == []
    assert "models_dir_empty" in [line["event"] for line in _log(server)]


def test_the_active_folder_deleted_while_running(start_server: StartServer, repository: Repository) -> None:
    linear().add(repository)
    server = start_server({"WEB_CONCURRENCY": "2"}, models=repository.root)
    shutil.rmtree(repository.root)
    for _ in range(20):
        assert server.post("/predict", {"features": [1, 2]}).json()["prediction"] == 5.5
    assert server.get("/health/ready").json()["status"] == "ready"
    assert server.get("/v1/models/linear").json()["ready"]
