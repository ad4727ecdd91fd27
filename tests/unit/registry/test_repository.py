"""The folder of models: what is found in it, and how a version comes and goes."""

from pathlib import Path

import pytest

from app.errors import ModelRefused
from app.registry.repository import Repository, natural_order
from tests.models import external, linear


def test_versions_are_found_in_natural_order(repository: Repository) -> None:
    for version in ("v10", "v2", "1.0", "v1", "1.10", "1.9"):
        linear(version=version).add(repository)
    linear(name="another").add(repository)
    found = list(repository.versions())
    assert found == [("another", "v1"), *(("linear", version) for version in ("v1", "v2", "v10", "1.0", "1.9", "1.10"))]


def test_natural_order_of_any_names() -> None:
    names = ["v2", "10", "v10", "2024-01", "v", "2", "v2b", "a-1", "v2.1"]
    assert sorted(names, key=natural_order) == ["a-1", "v", "v2", "v2.1", "v2b", "v10", "2", "10", "2024-01"]


def test_what_is_not_named_like_a_version_is_passed_over(repository: Repository) -> None:
    linear().add(repository)
    for name in (".hidden", "a b", ".adding-x"):
        (repository.root / name / "v1").mkdir(parents=True)
        (repository.root / "linear" / name).mkdir()
    (repository.root / "file").write_text("")
    (repository.root / "linear" / "file").write_text("")
    assert list(repository.versions()) == [("linear", "v1")]


def test_no_folder_at_all(tmp_path: Path) -> None:
    assert list(Repository(tmp_path / "none").versions()) == []


def test_a_version_is_read_as_it_was_added(repository: Repository) -> None:
    tiny = external("weights.bin").but(external={"weights.bin": "0" * 64})
    folder = tiny.add(repository, {"weights.bin": b"weights"})
    assert folder == repository.root / "external" / "v1"
    assert repository.manifest("external", "v1") == tiny.manifest
    with pytest.raises(ModelRefused, match=r"weights.bin has sha256 [0-9a-f]{12}..., the manifest says 000000000000"):
        repository.read("external", "v1")


def test_versions_are_immutable_and_appear_whole(repository: Repository) -> None:
    folder = linear().add(repository)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(FileExistsError):
        linear((9, 9)).add(repository)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["v1"]


def test_a_version_that_cannot_be_written_leaves_nothing(repository: Repository) -> None:
    with pytest.raises(OSError, match="File name too long"):
        linear().add(repository, {"x" * 300: b""})
    assert list(repository.versions()) == []
    assert list((repository.root / "linear").iterdir()) == []


def test_a_version_goes_whole(repository: Repository) -> None:
    linear().add(repository)
    linear(version="v2").add(repository)
    repository.remove("linear", "v1")
    assert list(repository.versions()) == [("linear", "v2")]
    repository.remove("linear", "v2")
    assert list(repository.root.iterdir()) == []
