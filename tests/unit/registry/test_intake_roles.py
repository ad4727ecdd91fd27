"""What outputs mean, judged by the numbers they hold."""

from typing import Any

import numpy as np
import pytest

from app.registry.intake.options import IntakeRefused, Options
from app.registry.intake.roles import Meaning, read_meaning
from app.runtimes.base import TensorSpec

ROWS = 20
RANDOM = np.random.default_rng(0)
SCORES = RANDOM.normal(size=(ROWS, 3)).astype(np.float32)
SHARES = (np.exp(SCORES) / np.exp(SCORES).sum(axis=1, keepdims=True)).astype(np.float32)
CHOSEN = SHARES.argmax(axis=1)


def read(arrays: dict[str, Any], labels: tuple[Any, ...] = (), known: bool = True, **told: Any) -> Meaning:
    outputs = [TensorSpec(name, dtype_of(array), (None, *array.shape[1:])) for name, array in arrays.items()]
    return read_meaning(outputs, arrays if known else {}, labels, Options(name="n", version="v", **told))


def dtype_of(array: Any) -> str:
    return "string" if array.dtype.kind in "OU" else str(array.dtype)


def test_shares_beside_labels_are_probabilities() -> None:
    meaning = read({"label": CHOSEN, "scores": SHARES}, (0, 1, 2))
    assert (meaning.task, meaning.roles) == ("classification", {"label": "label", "scores": "probabilities"})
    assert meaning.notes == ()
    assert meaning.has_shares


def test_distances_are_no_probabilities_whatever_their_name() -> None:
    meaning = read({"label": CHOSEN, "probabilities": SCORES}, (0, 1, 2))
    assert meaning.roles == {"label": "label", "probabilities": "raw"}
    assert "holds scores, not probabilities" in meaning.notes[0]
    assert not meaning.has_shares


def test_without_a_run_nothing_is_taken_for_probabilities() -> None:
    meaning = read({"label": CHOSEN, "scores": SHARES}, (0, 1, 2), known=False)
    assert meaning.roles == {"label": "label", "scores": "raw"}
    assert "--sample" in meaning.notes[0]


def test_shares_of_another_number_of_classes_are_not_theirs() -> None:
    assert read({"label": CHOSEN, "scores": SHARES}, (0, 1, 2, 3)).roles["scores"] == "raw"


def test_labels_nobody_has_named_are_no_labels() -> None:
    assert read({"label": CHOSEN + 5, "scores": SHARES}, (0, 1, 2)).roles["label"] == "raw"


def test_a_single_share_must_agree_with_the_label() -> None:
    share = RANDOM.random((ROWS, 1)).astype(np.float32)
    label = (share[:, 0] > 0.5).astype(np.int64)
    assert read({"label": label, "share": share}, (0, 1)).roles["share"] == "probabilities"
    assert read({"label": 1 - label, "share": share}, (0, 1)).roles["share"] == "raw"


def test_a_few_rows_between_zero_and_one_prove_nothing_about_a_single_column() -> None:
    share = np.array([[0.2], [0.7]], dtype=np.float32)
    assert read({"share": share}, ("no", "yes")).roles == {"share": "logits"}


def test_a_softmax_alone_is_a_classification_of_numbered_classes() -> None:
    meaning = read({"y": SHARES})
    assert (meaning.task, meaning.labels, meaning.roles) == ("classification", (0, 1, 2), {"y": "probabilities"})
    assert "--labels" in meaning.notes[0]


def test_scores_alone_are_a_regression_until_classes_are_named() -> None:
    assert read({"y": SCORES}).roles == {"y": "value"}
    named = read({"y": SCORES}, ("a", "b", "c"))
    assert (named.task, named.roles) == ("classification", {"y": "logits"})


def test_scores_that_a_person_calls_logits_are_of_numbered_classes() -> None:
    told = read({"y": SCORES}, roles={"y": "logits"})
    assert (told.task, told.labels, told.roles) == ("classification", (0, 1, 2), {"y": "logits"})
    second = read({"a": SCORES[:, :2], "b": SCORES}, roles={"b": "logits"})
    assert (second.labels, second.roles) == ((0, 1, 2), {"a": "raw", "b": "logits"})


def test_a_cluster_and_its_distances_are_answered_as_they_are() -> None:
    meaning = read({"label": CHOSEN, "scores": np.abs(SCORES)})
    assert (meaning.task, set(meaning.roles.values()), meaning.labels) == ("raw", {"raw"}, ())


def test_words_alone_are_a_label() -> None:
    meaning = read({"answer": np.array(["a", "b"] * 10, dtype=object)})
    assert (meaning.task, meaning.roles) == ("classification", {"answer": "label"})


def test_several_outputs_of_numbers_have_no_meaning_of_their_own() -> None:
    assert read({"boxes": SCORES, "sizes": SCORES}).task == "raw"
    assert read({"boxes": SCORES, "sizes": SCORES}, task="regression").roles == {"boxes": "value", "sizes": "raw"}


def test_a_person_knows_better() -> None:
    assert read({"y": SHARES}, task="regression").roles == {"y": "value"}
    assert read({"y": SHARES}, task="raw").roles == {"y": "raw"}
    assert read({"a": SCORES, "b": SCORES}, task="raw", roles={"b": "value"}).roles == {"a": "raw", "b": "value"}


@pytest.mark.parametrize(
    ("arrays", "labels", "told", "said"),
    [
        ({"y": SCORES}, ("a", "b"), {}, "'y' has 3 columns, and there are 2 labels"),
        ({"y": SCORES}, (), {"roles": {"z": "value"}}, "the outputs are y"),
        ({"y": CHOSEN}, (), {"task": "regression"}, "choose another --task"),
    ],
)
def test_what_does_not_fit_is_said(arrays: Any, labels: Any, told: Any, said: str) -> None:
    with pytest.raises(IntakeRefused, match=said):
        read(arrays, labels, **told)
