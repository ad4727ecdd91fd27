"""Whether many rows are read as an array or one by one decides how fast they are answered, never how."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api import long_lists
from app.api.bodies import Body, parse_object
from app.api.prediction.bodies import parse_rows
from app.api.prediction.schemas import open_envelope
from app.errors import InvalidInput
from app.registry.encoder import Encoder
from app.registry.manifest import Feature
from app.runtimes.base import TensorSpec
from app.tensors import NumberRows

_CELLS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.floats(-5, 5), st.integers(-(2**70), 2**70), st.integers(-3, 3)
)
_ROWS = st.lists(st.lists(_CELLS, min_size=2, max_size=2), min_size=1, max_size=4) | st.lists(
    st.lists(_CELLS | st.none() | st.booleans() | st.lists(_CELLS), max_size=3), min_size=1, max_size=3
)
_FEATURES = st.sampled_from(
    [{"dtype": "float32"}, {"dtype": "float32", "range": (-2.5, 2.5)}, {"dtype": "int64"}, {"dtype": "bool"}]
)
_TENSORS = st.sampled_from(["float32", "float64", "int64"])


def verdict(encoder: Encoder, body: Body) -> Any:
    """The array's bytes, or the complaints."""
    try:
        feed, rows = encoder.encode(open_envelope(body, None, 100).instances)
    except InvalidInput as error:
        return error.errors
    return rows, {name: (array.dtype, array.shape, array.tobytes()) for name, array in feed.items()}


@given(_ROWS, _FEATURES, _FEATURES, _TENSORS)
def test_an_array_changes_no_verdict(rows: list[Any], one: Any, other: Any, dtype: str) -> None:
    features = [Feature(name, input="X", **about) for name, about in (("a", one), ("b", other))]
    encoder = Encoder(features, [TensorSpec("X", dtype, (None, 2))])
    raw = json.dumps({"instances": rows}, separators=(",", ":")).encode()
    with pytest.MonkeyPatch.context() as short_ones_too:
        short_ones_too.setattr(long_lists, "SHORTEST", 2)
        assert verdict(encoder, parse_rows(raw)) == verdict(encoder, parse_object(raw))


def test_many_rows_become_an_array() -> None:
    rows = [[at + 0.1, at] for at in range(1000)]
    read = parse_rows(orjson.dumps({"instances": rows})).data["instances"]
    assert isinstance(read, NumberRows)
    assert (read.matrix.tolist(), list(read), read[1]) == (rows, rows, [1.1, 1])


@pytest.mark.parametrize("text", ['{"instances":[],"x":{"instances":[%s]}}', '{"instances":[%s],"x":1}'])
def test_another_list_is_not_taken_for_them(text: str) -> None:
    raw = (text % ",".join(["[1,2]"] * 1000)).encode()
    assert parse_rows(raw) == parse_object(raw)
