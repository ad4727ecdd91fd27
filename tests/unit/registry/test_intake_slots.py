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
    assert find_slots(MATRIX, None) == [Slot("X", "float32")] * 3


def test_an_input_of_one_column_brings_its_own_name() -> None:
    assert [slot.named for slot in find_slots([*COLUMNS, spec("rank", None)], None)] == ["age", "home_town", "rank"]


def test_an_input_of_higher_rank_is_one_feature() -> None:
    assert find_slots([spec("picture", None, 3, None, 8)], None) == [
        Slot("picture", "float32", (3, None, 8), "picture")
    ]


def test_a_very_wide_matrix_is_one_feature_unless_its_columns_are_named() -> None:
    wide = [spec("pixels", None, WIDEST + 1)]
    assert find_slots(wide, None) == [Slot("pixels", "float32", (WIDEST + 1,), "pixels")]
    assert find_slots(wide, 1) == [Slot("pixels", "float32", (WIDEST + 1,), "pixels")]
    assert len(find_slots(wide, WIDEST + 1)) == WIDEST + 1


def test_an_open_width_takes_what_is_named() -> None:
    inputs = [spec("age", None, 1), spec("rest", None, None)]
    assert [slot.input for slot in find_slots(inputs, 4)] == ["age", "rest", "rest", "rest"]


@pytest.mark.parametrize(
    ("inputs", "columns", "said"),
    [
        ([spec("X", None, None)], None, "name them with --features"),
        ([spec("X", None, None), spec("Y", None, None)], 5, "name them with --features"),
        ([spec("X", None, None), spec("Y", None, 2)], 2, "name them with --features"),
        ([spec("X")], None, "no axis for rows"),
        ([spec("X", None, 2, dtype="bfloat16")], None, "of type bfloat16"),
        ([spec("X", dtype="map")], None, "of type map"),
    ],
)
def test_inputs_that_cannot_be_fed(inputs: list[TensorSpec], columns: int | None, said: str) -> None:
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
        (GROUPS, ["word", "b", "a"], False, ["b", "a", "word"]),
        ([spec("X", None, 1)], ["tenure"], False, ["tenure"]),
    ],
)
def test_names(inputs: list[TensorSpec], columns: list[str], in_order: bool, names: list[str]) -> None:
    slots = find_slots(inputs, len(columns) or None)
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
        name_slots(find_slots(inputs, len(columns)), columns, in_order)
