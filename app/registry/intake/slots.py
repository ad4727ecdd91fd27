"""The places in a model's inputs that want a feature, and which feature goes where."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.registry.intake.options import IntakeRefused
from app.runtimes.base import TensorSpec
from app.tensors import NUMPY_DTYPES

WIDEST = 512
"""A wider matrix whose columns nobody has named becomes one feature: a list of that many numbers."""

_NO_FEATURES = "In a sample, name columns that are no features with --target, --ignore or --entity-key."


@dataclass(frozen=True, slots=True)
class Slot:
    """One place. ``named`` is the name the file itself gives it, None for a column of a matrix."""

    input: str
    dtype: str
    shape: tuple[int | None, ...] = ()
    named: str | None = None


def find_slots(inputs: Sequence[TensorSpec], named: Sequence[str]) -> list[Slot]:
    """All places in the order of the inputs. ``named`` are the features that are wanted, empty where nobody has said.

    Raises:
        IntakeRefused: an input is of a kind that is not served, or its width is anybody's guess.
    """
    for item in inputs:
        _check_kind(item)
    free = [item for item in inputs if _is_open(item) and not _is_list(item, named)]
    if not free:
        return [slot for item in inputs for slot in _places(item, item.shape[-1], named)]
    others = sum(len(_places(item, item.shape[-1], named)) for item in inputs if item not in free)
    if len(free) > 1 or len(named) <= others:
        raise IntakeRefused(
            f"The input '{free[0].name}' says not how many columns it has; name them with --features, or name the input"
            " itself if each row brings a list of any length for it."
        )
    return [slot for item in inputs for slot in _places(item, item.shape[-1] or len(named) - others, named)]


def name_slots(slots: Sequence[Slot], columns: Sequence[str], in_order: bool) -> list[str]:
    """A name for each place: by name where the file names it too, in order for the columns of a matrix.

    ``in_order`` says that a person has put the names in order, so names in the file do not matter unless they are
    the same ones.

    Raises:
        IntakeRefused: too many or too few names.
    """
    if not columns:
        return _invented(slots)
    in_order = in_order and {slot.named for slot in slots} != set(columns)
    if in_order or len({slot.input for slot in slots}) == 1:
        return _ordered(slots, columns)
    found = {slot.named: _match(slot.named, columns) for slot in slots if slot.named is not None}
    left = [column for column in columns if column not in found.values()]
    unnamed = [slot for slot in slots if slot.named is None]
    if left and not unnamed:
        raise IntakeRefused(f"No input of the model takes {_some(left)}. {_NO_FEATURES}")
    rest = iter(_ordered(unnamed, left))
    return [next(rest) if slot.named is None else found[slot.named] for slot in slots]


def _is_open(item: TensorSpec) -> bool:
    return len(item.shape) == 2 and item.shape[1] is None


def _is_list(item: TensorSpec, named: Sequence[str]) -> bool:
    """Whether an input of open width takes one list a row: because a person says so, or as tokens do."""
    return _is_open(item) and (item.name in named if named else "int" in item.dtype)


def _places(item: TensorSpec, width: int | None, named: Sequence[str]) -> list[Slot]:
    plain = 1 if len(item.shape) == 1 else width or 1
    if len(item.shape) > 2 or _is_list(item, named) or (plain > WIDEST and len(named) < plain):
        return [Slot(item.name, item.dtype, item.shape[1:], item.name)]
    return [Slot(item.name, item.dtype, (), item.name if plain == 1 else None)] * plain


def _check_kind(item: TensorSpec) -> None:
    if item.dtype not in NUMPY_DTYPES:
        raise IntakeRefused(
            f"The input '{item.name}' is of type {item.dtype}; export the model with tensors of numbers (float32 and"
            " float16 among them, bfloat16 not), truth values or text."
        )
    if not item.shape:
        raise IntakeRefused(f"The input '{item.name}' has no axis for rows; export it with a batch axis.")


def _ordered(slots: Sequence[Slot], columns: Sequence[str]) -> list[str]:
    if len(slots) != len(columns):
        raise IntakeRefused(
            f"The model takes {len(slots)} features, {len(columns)} are named: {_some(columns)}. {_NO_FEATURES}"
        )
    return list(columns)


def _match(name: str, columns: Sequence[str]) -> str:
    if name in columns:
        return name
    close = [column for column in columns if _plain(column) == _plain(name)]
    if len(close) != 1:
        raise IntakeRefused(f"The model has an input '{name}', and no column is called so; there are {_some(columns)}.")
    return close[0]


def _plain(name: str) -> str:
    """Exporters replace what they do not like in a name."""
    return re.sub(r"\W", "_", name).lower()


def _invented(slots: Sequence[Slot]) -> list[str]:
    taken = {slot.named for slot in slots}
    free = (name for name in (f"x{number}" for number in range(len(slots) * 2)) if name not in taken)
    return [next(free) if slot.named is None else slot.named for slot in slots]


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:12]) + (", ..." if len(listed) > 12 else "")
