"""Which version answers, and what is said of one that does not."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from app.errors import ModelNotFound, ModelNotReady, VersionNotFound
from app.registry.registry import Registry
from app.registry.repository import Repository
from app.runtimes.onnx import OnnxRuntime
from tests.models import linear

Build = Callable[..., Registry]


def load_runtime(model: bytes, external: Mapping[str, bytes], name: str, digest: str = "") -> OnnxRuntime:  # noqa: ARG001
    return OnnxRuntime(model, external)


@pytest.fixture
def log() -> CapturingLogger:
    return CapturingLogger()


@pytest.fixture
def build(repository: Repository, log: CapturingLogger) -> Build:
    def make(*args: Any) -> Registry:
        return Registry(repository, load_runtime, log, *args)

    return make


def spoil(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"no model")


def events(log: CapturingLogger) -> list[str]:
    return [call.args[0] for call in log.calls]


def test_the_newest_served_version_answers(repository: Repository, build: Build) -> None:
    for version in ("v2", "v10", "v9"):
        linear(version=version).add(repository)
    spoil(linear(version="v11").add(repository))
    registry = build()
    assert registry.version("linear").manifest.version == "v10"
    assert registry.version("linear", "v2").manifest.version == "v2"
    assert registry.models["linear"].default == "v10"


def test_the_operators_word_comes_first(repository: Repository, build: Build, log: CapturingLogger) -> None:
    linear().add(repository)
    spoil(linear(version="v2").add(repository))
    registry = build("linear", {"linear": "v2"})
    with pytest.raises(ModelNotReady, match="GET /health/ready says why"):
        registry.version("linear")
    assert registry.version("linear", "v1").manifest.version == "v1"
    assert build("linear", {"linear": "v3"}).models["linear"].served is None
    assert "default_version_absent" not in events(log)[:2]


def test_defaults_that_are_absent_are_logged(repository: Repository, build: Build, log: CapturingLogger) -> None:
    linear().add(repository)
    build("lineer", {"linear": "v9", "other": "v1"}).load()
    absent = [(call.args[0], call.kwargs["model"]) for call in log.calls if call.args[0].endswith("absent")]
    assert absent == [
        ("default_version_absent", "linear"), ("default_version_absent", "other"), ("default_model_absent", "lineer"),
    ]  # fmt: skip


def test_an_empty_repository_is_logged(build: Build, log: CapturingLogger) -> None:
    assert build().models == {}
    assert events(log) == ["models_dir_empty"]


def test_the_default_model_is_the_only_one_or_none(repository: Repository, build: Build) -> None:
    linear().add(repository)
    assert build().default_model == "linear"
    linear(name="second").add(repository)
    assert build().default_model is None
    assert build("second").default_model == "second"


def test_names_that_are_not_there(repository: Repository, build: Build) -> None:
    linear().add(repository)
    registry = build()
    with pytest.raises(ModelNotFound, match=r"There is no model 'lineal' here\. Did you mean 'linear'\?"):
        registry.version("lineal")
    with pytest.raises(ModelNotFound, match=r"There is no model 'xyz' here\.$"):
        registry.version("xyz")
    with pytest.raises(VersionNotFound, match="Model 'linear' has no version 'v2'; it has v1"):
        registry.version("linear", "v2")
    with pytest.raises(ModelNotFound) as caught:
        registry.version("x" * 10_000)
    assert len(str(caught.value)) < 200


def test_a_refused_version_says_why_and_takes_no_other_down(
    repository: Repository, build: Build, log: CapturingLogger
) -> None:
    linear().add(repository)
    spoil(linear(version="v2").add(repository))
    states = build().models["linear"].versions
    assert (states["v1"].reason, states["v2"].served) == (None, None)
    assert "has sha256" in str(states["v2"].reason)
    assert sorted(events(log)) == ["model_loaded", "model_refused"]


def test_threads_that_come_first_together_load_once(repository: Repository, build: Build, log: CapturingLogger) -> None:
    linear().add(repository)
    registry = build()
    with ThreadPoolExecutor(8) as pool:
        served = list(pool.map(lambda _: registry.version("linear"), range(16)))
    assert len(set(map(id, served))) == 1
    assert events(log) == ["model_loaded"]
