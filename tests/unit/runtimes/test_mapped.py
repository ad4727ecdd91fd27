"""Weights laid out once: the same answers, and never a file that is not as it was written."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from app.runtimes.base import RuntimeFailed
from app.runtimes.mapped import MODEL, WEIGHTS, Layouts
from app.runtimes.onnx import VERSION, OnnxRuntime
from app.telemetry.logs import logger
from tests.models import external, linear, weighty

ROWS = {"X": np.array([[1.0], [-2.5], [1e6]], dtype=np.float32)}


def _noisy() -> bytes:
    """A net whose outputs show any difference in its weights."""
    model = onnx.load_from_string(weighty(256, 2).model)
    chance = np.random.default_rng(0)
    for table in model.graph.initializer:
        shape = tuple(table.dims)
        table.CopyFrom(onnx.numpy_helper.from_array(chance.normal(size=shape).astype(np.float32), table.name))
    return model.SerializeToString()


NOISY = _noisy()


def _layouts(folder: Path, least: int = 1, engine: str = VERSION) -> Layouts:
    return Layouts(folder / "mapped", least, engine, logger("test"))


def _entries(folder: Path) -> list[Path]:
    return [entry for entry in (folder / "mapped").iterdir() if entry.is_dir()]


def _answer(runtime: OnnxRuntime) -> list[Any]:
    return runtime.run(ROWS)[0].tolist()


EXPECTED = _answer(OnnxRuntime(NOISY))


def test_mapped_answers_are_the_same_to_the_bit_and_written_once(tmp_path: Path) -> None:
    assert _answer(OnnxRuntime(NOISY, layouts=_layouts(tmp_path))) == EXPECTED
    (entry,) = _entries(tmp_path)
    before = (entry / WEIGHTS).stat()
    mapped = OnnxRuntime(NOISY, layouts=_layouts(tmp_path))
    assert _answer(mapped) == EXPECTED
    after = (entry / WEIGHTS).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert str(entry / WEIGHTS) in Path("/proc/self/maps").read_text()


def test_the_mapped_model_says_of_itself_what_the_file_says(tmp_path: Path) -> None:
    plain, mapped = OnnxRuntime(NOISY), OnnxRuntime(NOISY, layouts=_layouts(tmp_path))
    assert (plain.inputs, plain.outputs, plain.metadata) == (mapped.inputs, mapped.outputs, mapped.metadata)


@pytest.mark.parametrize("name", [MODEL, WEIGHTS, "digests.json"])
def test_what_was_damaged_is_made_again(tmp_path: Path, name: str) -> None:
    OnnxRuntime(NOISY, layouts=_layouts(tmp_path))
    (entry,) = _entries(tmp_path)
    data = bytearray((entry / name).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (entry / name).write_bytes(data)
    assert _answer(OnnxRuntime(NOISY, layouts=_layouts(tmp_path))) == EXPECTED
    assert (entry / name).read_bytes() != data


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "mapped"
    folder.mkdir()
    folder.chmod(0o777)
    assert _answer(OnnxRuntime(NOISY, layouts=_layouts(tmp_path))) == EXPECTED
    assert not list(folder.iterdir())


def test_without_a_folder_it_is_loaded_as_it_always_was(tmp_path: Path) -> None:
    (tmp_path / "mapped").write_text("in the way")
    assert _answer(OnnxRuntime(NOISY, layouts=_layouts(tmp_path))) == EXPECTED


@pytest.mark.parametrize("least", [0, 1 << 30])
def test_small_models_and_none_at_all(tmp_path: Path, least: int) -> None:
    assert _answer(OnnxRuntime(NOISY, layouts=_layouts(tmp_path, least))) == EXPECTED
    assert not (tmp_path / "mapped").exists()


def test_another_model_or_engine_has_its_own_place(tmp_path: Path) -> None:
    OnnxRuntime(NOISY, layouts=_layouts(tmp_path))
    OnnxRuntime(weighty(256, 2).model, layouts=_layouts(tmp_path))
    OnnxRuntime(NOISY, layouts=_layouts(tmp_path, engine="another"))
    assert len(_entries(tmp_path)) == 3


def test_weights_beside_the_file_are_mapped_too(tmp_path: Path) -> None:
    weights = np.arange(4, dtype=np.float32).tobytes()
    made = OnnxRuntime(external("weights").model, {"weights": weights}, layouts=_layouts(tmp_path))
    assert made.run({"X": np.ones((1, 4), dtype=np.float32)})[0].tolist() == [[1, 2, 3, 4]]


def test_a_model_without_weights_is_remembered_as_such(tmp_path: Path) -> None:
    for _ in range(2):
        runtime = OnnxRuntime(linear().model, layouts=_layouts(tmp_path))
        assert runtime.run({"X": np.ones((1, 2), dtype=np.float32)})[0].tolist() == [[3.5]]
    (entry,) = _entries(tmp_path)
    assert [file.name for file in entry.iterdir()] == ["digests.json"]


def test_what_is_no_model_fails_as_it_always_did(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailed):
        OnnxRuntime(b"no model", layouts=_layouts(tmp_path))
    assert _entries(tmp_path) == []


def test_old_and_unfinished_entries_go_when_another_is_made(tmp_path: Path) -> None:
    OnnxRuntime(linear().model, layouts=_layouts(tmp_path))
    (old,) = _entries(tmp_path)
    os.utime(old, (0, 0))
    (tmp_path / "mapped" / ".making-broken-off").mkdir()
    OnnxRuntime(NOISY, layouts=_layouts(tmp_path))
    (left,) = _entries(tmp_path)
    assert left != old
