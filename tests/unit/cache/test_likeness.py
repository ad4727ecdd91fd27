"""Whether rows may be remembered one by one is found out from the model itself."""

from pathlib import Path

import numpy as np
import pytest

from app.cache.likeness import Likeness, likeness
from app.errors import ModelFailed
from app.registry.loading import load_version
from app.registry.repository import Repository
from app.runtimes.onnx import OnnxRuntime
from app.tensors import Array, Feed, Records
from tests.models import fragile, linear, mixing, slow, stretching
from tests.programs import ROOT
from tests.unit.cache.subjects import Counted, feed_of


@pytest.mark.parametrize(
    ("model", "feed", "expected"),
    [
        (linear(), feed_of([[1.5, 2.5]]), {Likeness.SAME, Likeness.APART}),
        (mixing(), {"X": np.array([[1.0]], dtype=np.float32)}, {Likeness.MIXED}),
        (fragile(), {"X": np.array([[2.0], [1.0]], dtype=np.float32)}, {Likeness.SAME}),
        (slow(1), {"X": np.array([[2.0]], dtype=np.float32)}, {Likeness.SAME}),
    ],
    ids=lambda value: getattr(getattr(value, "manifest", None), "name", ""),
)
def test_a_model_shows_its_kind(model: object, feed: Feed, expected: set[Likeness]) -> None:
    assert likeness(Counted(model).run, feed) in expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("suffix", "kind"), [("", Likeness.SAME), ("!", Likeness.APART)])
def test_texts_are_compared_too(suffix: str, kind: Likeness) -> None:
    def run(feed: Feed) -> dict[str, Array]:
        texts = feed["T"].ravel().tolist()
        return {"Y": np.array([text + suffix * (len(texts) == 1) for text in texts], dtype=np.object_)}

    assert likeness(run, {"T": np.array([["a"], ["b"]], dtype=np.object_)}) is kind


def _off_the_mean(feed: Feed) -> dict[str, Array]:
    """What ``mixing`` answers, for any kind of number."""
    numbers = feed["X"].astype(np.float32)
    return {"Y": numbers - numbers.mean(axis=0, keepdims=True)}


@pytest.mark.parametrize("rows", [[0.0, 0.0], [float("nan")] * 2, [1e38, 1e38], [1e-45, 2e-45], [3.0]], ids=str)
def test_numbers_that_hide_the_mixing_do_not(rows: list[float]) -> None:
    assert likeness(_off_the_mean, {"X": np.array(rows, dtype=np.float32)[:, None]}) is Likeness.MIXED


@pytest.mark.parametrize("rows", [[5, 7], [5, 7, 5, 7], [0, 1] * 16], ids=lambda rows: str(len(rows)))
def test_mixing_shows_in_whole_numbers_that_come_again_and_again(rows: list[int]) -> None:
    assert likeness(_off_the_mean, {"X": np.array(rows, dtype=np.int64)[:, None]}) is Likeness.MIXED


def test_half_precision_is_varied_too() -> None:
    assert likeness(_off_the_mean, {"X": np.zeros((2, 1), dtype=np.float16)}) is Likeness.MIXED


def test_equal_rows_tell_nothing() -> None:
    assert likeness(_off_the_mean, {"X": np.array([[5], [5]], dtype=np.int64)}) is None


def test_rows_without_a_finite_answer_tell_nothing() -> None:
    def run(feed: Feed) -> dict[str, Array]:
        return {"Y": feed["X"] * np.float32("nan")}

    assert likeness(run, {"X": np.array([[5], [6]], dtype=np.int64)}) is None


def test_outputs_of_another_length_are_no_rows() -> None:
    def run(feed: Feed) -> dict[str, Array]:
        return {"Y": feed["X"].sum(axis=0)}

    assert likeness(run, feed_of([[1, 2]])) is Likeness.MIXED
    assert likeness(lambda _: {"Y": np.float32(1)}, feed_of([[1, 2]])) is Likeness.MIXED  # type: ignore[dict-item]


def test_a_last_bit_that_depends_on_company_is_seen() -> None:
    def run(feed: Feed) -> dict[str, Array]:
        rows = feed["X"]
        return {"Y": rows * (1 + np.float32(2e-7) * (len(rows) == 1))}

    assert likeness(run, feed_of([[1.7, 2.9]])) is Likeness.APART


def test_a_row_the_model_cannot_compute_says_nothing_of_its_kind() -> None:
    with pytest.raises(ModelFailed):
        likeness(Counted(fragile()).run, {"X": np.array([[7.0], [8.0]], dtype=np.float32)})


@pytest.mark.parametrize(("name", "version"), list(Repository(ROOT / "models").versions()))
def test_the_demo_models_are_judged_rightly(name: str, version: str) -> None:
    """Whatever the verdict, it must hold for rows that the judge has not seen."""
    served = load_version(
        Repository(Path(ROOT / "models")), lambda model, external, *_: OnnxRuntime(model, external), name, version
    )
    golden = [row.features for row in served.manifest.golden]
    feed, rows = served.encoder.encode(Records(golden * 4, "instances[{i}]"))
    kind = likeness(served.run, feed)
    assert kind in {Likeness.SAME, Likeness.APART}
    whole = served.run(feed)
    pairs = [(at, served.run({key: array[at : at + 2] for key, array in feed.items()})) for at in range(0, rows, 2)]
    singles = [(at, served.run({key: array[at : at + 1] for key, array in feed.items()})) for at in range(rows)]
    for at, part in pairs + (singles if kind is Likeness.SAME else []):
        for output, array in part.items():
            assert array.tolist() == whole[output][at : at + len(array)].tolist()


def test_stretching_rows_are_seen_or_survived() -> None:
    assert likeness(Counted(stretching()).run, {"X": np.array([[2.0, 5.0, 6.0]], dtype=np.float32)}) in set(Likeness)
