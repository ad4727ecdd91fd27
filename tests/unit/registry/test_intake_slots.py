"""Which feature goes to which input."""

import pytest

from app.registry.intake.options import IntakeRefused
from app.registry.intake.slots import WIDEST, Slot, find_slots, name_slots
from app.runtimes.base import TensorSpec


def spec(name: str, *shape: int | None, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name, dtype, shape)


MATRIX = [spec("X", None, 3)]
COLUMNS = [spec("age", None, 1), spec("home_town", None, 1, dtype="string")]
GROUPS = [spec("numbers", None, 2), spec("word", None, 1, dtype="string")]


def test_a_matrix_has_a_place_for_each_column() -> None:
    assert find_slots(MATRIX, []) == [Slot("X", "float32")] * 3


def test_an_input_of_one_column_brings_its_own_name() -> None:
    assert [slot.named for slot in find_slots([*COLUMNS, spec("rank", None)], [])] == ["age", "home_town", "rank"]


def test_an_input_of_higher_rank_is_one_feature() -> None:
    assert find_slots([spec("picture", None, 3, None, 8)], []) == [Slot("picture", "float32", (3, None, 8), "picture")]


def test_a_very_wide_matrix_is_one_feature_unless_its_columns_are_named() -> None:
    wide = [spec("pixels", None, WIDEST + 1)]
    assert find_slots(wide, []) == [Slot("pixels", "float32", (WIDEST + 1,), "pixels")]
    assert find_slots(wide, ["pixels"]) == [Slot("pixels", "float32", (WIDEST + 1,), "pixels")]
    assert len(find_slots(wide, [f"p{at}" for at in range(WIDEST + 1)])) == WIDEST + 1


def test_an_open_width_takes_what_is_named() -> None:
    inputs = [spec("age", None, 1), spec("rest", None, None)]
    assert [slot.input for slot in find_slots(inputs, ["age", "a", "b", "c"])] == ["age", "rest", "rest", "rest"]


TOKENS = [spec("ids", None, None, dtype="int64"), spec("mask", None, None, dtype="int64")]
OPEN = [spec("X", None, None)]


@pytest.mark.parametrize(("inputs", "named"), [(TOKENS, []), (TOKENS, ["mask", "ids"]), (OPEN, ["X"])])
def test_an_input_of_open_width_is_a_list_when_it_is_named_or_takes_tokens(
    inputs: list[TensorSpec], named: list[str]
) -> None:
    slots = find_slots(inputs, named)
    assert slots == [Slot(item.name, item.dtype, (None,), item.name) for item in inputs]
    assert name_slots(slots, named, in_order=True) == [item.name for item in inputs]


@pytest.mark.parametrize(
    ("inputs", "columns", "said"),
    [
        ([spec("X", None, None)], [], "name them with --features"),
        ([spec("X", None, None), spec("Y", None, None)], ["a", "b", "c"], "name them with --features"),
        ([spec("X", None, None), spec("Y", None, 2)], ["a", "b"], "name them with --features"),
        ([spec("X")], [], "no axis for rows"),
        ([spec("X", None, 2, dtype="bfloat16")], [], "of type bfloat16"),
        ([spec("X", dtype="map")], [], "of type map"),
    ],
)
def test_inputs_that_cannot_be_fed(inputs: list[TensorSpec], columns: list[str], said: str) -> None:
    with pytest.raises(IntakeRefused, match=said):
        find_slots(inputs, columns)


@pytest.mark.parametrize(
    ("inputs", "columns", "in_order", "names"),
    [
        (MATRIX, [], False, ["x0", "x1", "x2"]),
        (COLUMNS, [], False, ["age", "home_town"]),
        ([spec("x0", None, 1), *MATRIX], [], False, ["x0", "x1", "x2", "x3"]),
        (MATRIX, ["c", "b", "a"], False, ["c", "b", "a"]),
        (COLUMNS, ["home_town", "age"], False, ["age", "home_town"]),
        (COLUMNS, ["Home Town", "age"], False, ["age", "Home Town"]),
        (COLUMNS, ["years", "place"], True, ["years", "place"]),
        (COLUMNS, ["home_town", "age"], True, ["age", "home_town"]),
        (GROUPS, ["word", "b", "a"], False, ["b", "a", "word"]),
        ([spec("X", None, 1)], ["tenure"], False, ["tenure"]),
    ],
)
def test_names(inputs: list[TensorSpec], columns: list[str], in_order: bool, names: list[str]) -> None:
    slots = find_slots(inputs, columns)
    assert name_slots(slots, columns, in_order) == names


@pytest.mark.parametrize(
    ("inputs", "columns", "in_order", "said"),
    [
        (MATRIX, ["a", "b"], False, "takes 3 features, 2 are named: a, b"),
        (MATRIX, ["a", "b", "c", "d"], True, "takes 3 features, 4 are named"),
        (COLUMNS, ["age", "town"], False, "input 'home_town', and no column is called so"),
        (COLUMNS, ["age", "home town", "home_Town"], False, "no column is called so"),
        (COLUMNS, ["age", "home_town", "id"], False, "No input of the model takes id"),
        (GROUPS, ["word", "a"], False, "takes 2 features, 1 are named"),
    ],
)
def test_names_that_do_not_fit(inputs: list[TensorSpec], columns: list[str], in_order: bool, said: str) -> None:
    with pytest.raises(IntakeRefused, match=said):
        name_slots(find_slots(inputs, columns), columns, in_order)
