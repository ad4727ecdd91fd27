"""Unloading a model and loading it again while the server runs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from app.errors import ModelNotFound, ModelNotReady, ModelRefused
from app.registry.announcements import Announcements
from app.registry.registry import UNLOADED, Registry
from app.registry.repository import Repository
from app.registry.watch import Watch
from app.runtimes.onnx import OnnxRuntime
from app.state.memory import MemoryState
from app.tensors import Rows
from tests.models import linear


@pytest.fixture
def registry(repository: Repository) -> Registry:
    linear().add(repository)
    return Registry(repository, lambda model, external, *_: OnnxRuntime(model, external), structlog.get_logger())


def answer(registry: Registry, version: str | None = None) -> Any:
    served = registry.version("linear", version)
    return served.run(served.encoder.encode(Rows([[1, 2]]))[0])["Y"]


def test_an_unloaded_model_is_not_served_until_it_is_loaded(registry: Registry) -> None:
    registry.unload("linear")
    with pytest.raises(ModelNotReady):
        registry.version("linear")
    assert registry.model("linear").versions["v1"].reason == UNLOADED
    registry.reload("linear")
    np.testing.assert_array_equal(answer(registry), [[5.5]])


def test_what_was_unloaded_does_not_come_back_because_a_file_changed(
    registry: Registry, repository: Repository, tmp_path: Path
) -> None:
    log = structlog.get_logger()
    watch = Watch(registry, Announcements(MemoryState(tmp_path / "var"), registry, log), True, log)
    watch.remember()
    registry.unload("linear")
    repository.remove("linear", "v1")
    linear((10.0, 10.0)).add(repository)
    for _ in range(3):
        watch.look()
    assert registry.model("linear").versions["v1"].reason == UNLOADED
    registry.reload("linear")
    assert answer(registry) == 30.5


def test_a_request_that_has_begun_keeps_its_version(registry: Registry) -> None:
    served = registry.version("linear")
    registry.unload("linear")
    assert served.run(served.encoder.encode(Rows([[1, 2]]))[0])["Y"] == 5.5


def test_loading_finds_new_versions_and_models(registry: Registry, repository: Repository) -> None:
    assert answer(registry) == 5.5
    linear((10.0, 10.0), version="v2").add(repository)
    linear(name="other").add(repository)
    registry.reload("linear")
    assert answer(registry) == 30.5
    assert answer(registry, "v1") == 5.5
    with pytest.raises(ModelNotFound):
        registry.version("other")
    registry.reload("other")
    assert registry.version("other")


def test_a_version_that_went_bad_goes_on_as_it_was(registry: Registry, repository: Repository) -> None:
    assert answer(registry) == 5.5
    (repository.root / "linear" / "v1" / "model.onnx").write_bytes(b"half of it")
    with pytest.raises(ModelRefused, match=r"linear/v1: model\.onnx has sha256"):
        registry.reload("linear")
    assert answer(registry) == 5.5
    assert "sha256" in str(registry.model("linear").versions["v1"].reason)


def test_a_folder_that_is_gone_takes_nothing_away(registry: Registry, repository: Repository) -> None:
    assert answer(registry) == 5.5
    repository.remove("linear", "v1")
    with pytest.raises(ModelRefused, match="no longer in the repository"):
        registry.reload("linear")
    assert answer(registry) == 5.5


@pytest.mark.parametrize("action", ["unload", "reload"])
def test_a_model_nobody_knows(registry: Registry, action: str) -> None:
    with pytest.raises(ModelNotFound):
        getattr(registry, action)("nothing")
