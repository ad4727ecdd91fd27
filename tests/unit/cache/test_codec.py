"""The codec: what goes in comes out, and nothing else ever does."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.cache.base import Entry
from app.cache.codec import Codec
from app.tensors import NUMPY_DTYPES, Array

CODEC = Codec(b"secret")
KEY = b"k" * 16
ENTRY = Entry({"label": np.array([1]), "p": np.array([[0.25, 0.75]], dtype=np.float32)}, 1_700_000_000.5, 0.005)

_SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
_NUMBERS = [np.dtype(dtype) for name, dtype in NUMPY_DTYPES.items() if name != "string"]
_NUMERIC = st.sampled_from(_NUMBERS).flatmap(lambda dtype: arrays.arrays(dtype, _SHAPES))
_TEXTS = arrays.arrays(np.object_, _SHAPES, elements=st.text(st.characters(codec=None), max_size=5))
_ENTRIES = st.builds(
    Entry,
    st.dictionaries(st.text(max_size=5), _NUMERIC | _TEXTS, max_size=3),
    st.floats(allow_nan=False),
    st.floats(allow_nan=False),
)


def _sealed(entry: Entry, key: bytes = KEY) -> bytes:
    data = CODEC.seal(key, entry)
    assert data is not None
    return data


def _content(entry: Entry) -> Any:
    outputs = {
        name: (array.dtype, array.shape, array.tolist() if array.dtype == object else array.tobytes())
        for name, array in entry.outputs.items()
    }
    return outputs, entry.stored_at, entry.cost_s


@given(_ENTRIES, st.binary(min_size=16, max_size=16))
def test_every_dtype_and_shape_comes_back(entry: Entry, key: bytes) -> None:
    opened = CODEC.open(key, _sealed(entry, key))
    assert opened is not None
    assert _content(opened) == _content(entry)


@given(st.data())
def test_any_changed_byte_is_a_miss(data: st.DataObject) -> None:
    sealed = _sealed(ENTRY)
    at = data.draw(st.integers(0, len(sealed) - 1))
    other = data.draw(st.integers(1, 255))
    assert CODEC.open(KEY, sealed[:at] + bytes([sealed[at] ^ other]) + sealed[at + 1 :]) is None


@given(st.integers(0, len(_sealed(ENTRY)) - 1), st.binary(max_size=8))
def test_any_truncation_is_a_miss(length: int, tail: bytes) -> None:
    sealed = _sealed(ENTRY)
    cut = sealed[:length] + tail
    assert cut == sealed or CODEC.open(KEY, cut) is None
    assert CODEC.open(KEY, sealed + tail) is None or not tail


@given(st.binary(max_size=300))
def test_random_bytes_are_a_miss(data: bytes) -> None:
    assert CODEC.open(KEY, data) is None


@given(st.binary(max_size=200))
def test_what_is_sealed_but_malformed_is_a_miss(body: bytes) -> None:
    """Somebody may know the secret and still not the layout."""
    head = KEY + bytes(16)
    sealed = CODEC._mac(head + body) + head + body
    opened = CODEC.open(KEY, sealed)
    assert opened is None or _sealed(opened)[16:48] == head


def test_an_entry_of_another_key_is_a_miss() -> None:
    assert CODEC.open(b"j" * 16, _sealed(ENTRY)) is None


def test_an_entry_of_another_secret_is_a_miss() -> None:
    assert Codec(b"other").open(KEY, _sealed(ENTRY)) is None


@pytest.mark.parametrize("value", [None, "text", 3, b"", [b"x"]])
def test_what_is_no_string_of_bytes_is_a_miss(value: object) -> None:
    assert CODEC.open(KEY, value) is None


def test_a_pickle_is_a_miss_and_stays_closed() -> None:
    bomb = b"cbuiltins\neval\n(S'1/0'\ntR."
    with pytest.raises(ZeroDivisionError):
        pickle.loads(bomb)
    assert CODEC.open(KEY, bomb) is None
    assert CODEC.open(KEY, bomb.ljust(200, b".")) is None


@pytest.mark.parametrize(
    "array",
    [
        np.array([1 + 2j]),
        np.array(["2026-01-01"], dtype="datetime64[D]"),
        np.array([b"x"], dtype=object),
        np.array([None]),
    ],
    ids=["complex", "date", "bytes", "nothing"],
)
def test_outputs_that_bytes_cannot_give_back_are_not_sealed(array: Array) -> None:
    assert CODEC.seal(KEY, Entry({"Y": array}, 0.0, 0.0)) is None


def test_fixed_width_texts_come_back_as_texts() -> None:
    opened = CODEC.open(KEY, _sealed(Entry({"Y": np.array([["ab", "c"]])}, 0.0, 0.0)))
    assert opened is not None
    assert opened.outputs["Y"].tolist() == [["ab", "c"]]


def test_an_entry_is_compact() -> None:
    assert len(_sealed(ENTRY)) < 120
