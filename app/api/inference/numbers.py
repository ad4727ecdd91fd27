"""The values of a tensor in JSON: a flat list in row-major order or lists nested as its shape has it -> an array."""

from collections.abc import Collection
from contextlib import suppress
from itertools import chain
from math import prod
from typing import Any, TypeVar

import numpy as np

from app.errors import InvalidInput
from app.oip.datatypes import DATATYPES
from app.tensors import Array

_NUMBERS = frozenset({int, float})
_TAKES = {"BOOL": frozenset({bool}), "BYTES": frozenset({str})}
_WORDS = {"BOOL": "true or false", "BYTES": "a string"}
_NULL = type(None)

Values = TypeVar("Values", list[Any], Array)


def from_json(data: Any, datatype: str, shape: tuple[int, ...], path: str, *, numbers: bool = False) -> Array:
    """The array those values stand for; floats with every digit that was written, as ``Tensors.declared`` has it.

    ``numbers`` says that they are known to be numbers, which spares looking at each; ``data`` may also be an array of
    them already, flat or in that shape. null is a missing value: NaN in floats, None in an array of objects otherwise.

    Raises:
        InvalidInput: another number of values than the shape has, or a value that the datatype cannot hold.
    """
    if isinstance(data, np.ndarray):
        return _floats(_counted(data.ravel(), shape, path), _NUMBERS, datatype, shape, path)
    flat = _flat(data, shape, path)
    if numbers and datatype.startswith("FP") and type(next(iter(flat), None)) in _NUMBERS:
        with suppress(TypeError, ValueError):  # lists or objects among them, which are named below
            return _floats(flat, _NUMBERS, datatype, shape, path)
    types = set(map(type, flat))
    strange = types - _TAKES.get(datatype, _NUMBERS) - {_NULL}
    if strange:
        at = next(at for at, value in enumerate(flat) if type(value) in strange)
        raise _fault(at, shape, path, f"must be {_WORDS.get(datatype, 'a number')}")
    if datatype.startswith("FP"):
        return _floats(flat, types, datatype, shape, path)
    if datatype not in _TAKES:
        return _integers(flat, types, datatype, shape, path)
    if datatype == "BOOL" and _NULL not in types:
        return np.array(flat, dtype=np.bool_).reshape(shape)
    return _objects(flat).reshape(shape)


def _flat(data: Any, shape: tuple[int, ...], path: str) -> list[Any]:
    """All values in one list; of nested lists each level must be as long as its axis."""
    if type(data) is not list:
        raise InvalidInput({path: ["must be a list"]})
    if not data or type(data[0]) is not list:
        return _counted(data, shape, path)
    flat: list[Any] = [data]
    for axis, length in enumerate(shape):
        if set(map(type, flat)) != {list} or set(map(len, flat)) != {length}:
            raise InvalidInput(
                {path: [f"is not nested as its shape says: axis {axis} is not {length} long throughout"]}
            )
        flat = list(chain.from_iterable(flat))
    return flat


def _counted(flat: Values, shape: tuple[int, ...], path: str) -> Values:
    if len(flat) != prod(shape):
        raise InvalidInput({path: [f"holds {len(flat)} values; the shape stands for {prod(shape)}"]})
    return flat


def _floats(
    flat: list[Any] | Array, types: Collection[type], datatype: str, shape: tuple[int, ...], path: str
) -> Array:
    array: Array = np.asarray(
        [np.nan if value is None else value for value in flat] if _NULL in types else flat, np.float64
    )
    if datatype != "FP64":
        with np.errstate(over="ignore"):
            beyond = np.isinf(array.astype(DATATYPES[datatype]))
        if beyond.any():
            raise _fault(int(beyond.argmax()), shape, path, f"does not fit {datatype}")
    return array.reshape(shape)


def _integers(flat: list[Any], types: set[type], datatype: str, shape: tuple[int, ...], path: str) -> Array:
    """Integers of any size; 3.0 is 3, as everywhere in JSON."""
    whole = [_whole(value) for value in flat] if float in types else flat
    if _NULL not in types:
        try:
            return np.array(whole, dtype=DATATYPES[datatype]).reshape(shape)
        except (OverflowError, TypeError, ValueError):
            pass  # which of them is found below
    low, high = int(np.iinfo(DATATYPES[datatype]).min), int(np.iinfo(DATATYPES[datatype]).max)
    for at, value in enumerate(whole):
        if type(value) is str:
            raise _fault(at, shape, path, value.format(datatype=datatype))
        if value is not None and not low <= value <= high:
            raise _fault(at, shape, path, f"does not fit {datatype}")
    return _objects(whole).reshape(shape)


def _whole(value: Any) -> Any:
    """3 for 3.0, and for a float that is no integer the words for it."""
    if type(value) is not float:
        return value
    if not value.is_integer():
        return "must be a whole number"
    return int(value) if abs(value) < 2**63 else "does not fit {datatype}"


def _objects(values: list[Any]) -> Array:
    array: Array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array


def _fault(at: int, shape: tuple[int, ...], path: str, message: str) -> InvalidInput:
    place = "".join(f"[{axis}]" for axis in np.unravel_index(at, shape))
    return InvalidInput({path + place: [message]})
