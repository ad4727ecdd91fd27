"""Whether a list is known to hold numbers decides how fast it is read, never how."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api import long_lists
from app.api.bodies import Body, parse_object
from app.api.inference.bodies import parse_request
from app.api.inference.envelope import open_request
from app.errors import InvalidInput

_LONGS = st.integers(-(2**63), 2**64 - 1)
"""What orjson writes."""

_SCALARS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53), 2**53), st.booleans(), st.none(), st.text()
)
_VALUES = st.one_of(
    st.lists(st.floats(-1e30, 1e30), max_size=4),
    st.lists(_SCALARS, max_size=4),
    st.lists(st.lists(_SCALARS, max_size=3), max_size=3),
    st.lists(st.one_of(_SCALARS, st.fixed_dictionaries({"data": st.lists(_LONGS, max_size=2)})), max_size=3),
)
_TYPES = st.sampled_from(["FP16", "FP32", "FP64", "INT32", "BOOL", "BYTES"])


def verdict(body: Body) -> Any:
    """The arrays' bytes, or the complaints."""
    try:
        tensors, _ = open_request(body, memoryview(b""), 100)
    except InvalidInput as error:
        return error.errors
    return {name: (array.dtype, array.shape, repr(array.tolist())) for name, array in tensors.columns.items()}


@given(st.lists(st.tuples(_VALUES, _TYPES, st.booleans()), min_size=1, max_size=2))
def test_a_proof_changes_no_verdict(tensors: list[tuple[Any, str, bool]]) -> None:
    inputs = [
        {"name": f"x{at}", "datatype": kind, "shape": [len(data)], "data": data}
        if last
        else {"data": data, "name": f"x{at}", "datatype": kind, "shape": [len(data)]}
        for at, (data, kind, last) in enumerate(tensors)
    ]
    raw = orjson.dumps({"inputs": inputs})
    body = parse_object(raw)
    plain = verdict(Body(body.data, body.numbers_only))
    assert verdict(body) == plain
    with pytest.MonkeyPatch.context() as short_ones_too:
        short_ones_too.setattr(long_lists, "SHORTEST", 2)
        assert verdict(parse_request(raw)) == plain


def test_a_long_list_becomes_an_array() -> None:
    values = [[at + 0.1, at] for at in range(1000)]
    for data, read in ((values, [1000, 2]), ([value for row in values for value in row], [2000])):
        tensor = {"name": "x", "datatype": "FP32", "shape": [1000, 2], "data": data}
        body = parse_request(orjson.dumps({"inputs": [tensor]}))
        assert list(body.data["inputs"][0]["data"].shape) == read
        tensors, _ = open_request(body, memoryview(b""), 1000)
        assert tensors.columns["x"].tolist() == values


@pytest.mark.parametrize("change", [{"datatype": "INT32"}, {"shape": [1001]}, {"shape": [500, 2, 1]}, {"data": None}])
def test_what_does_not_fit_is_judged_as_ever(change: dict[str, Any]) -> None:
    tensor = {"name": "x", "datatype": "FP32", "shape": [1000], "data": [0.25] * 1000} | change
    raw = orjson.dumps({"inputs": [tensor]})
    assert verdict(parse_request(raw)) == verdict(parse_object(raw))


@pytest.mark.parametrize("data", [[{"data": [1]}], [1, {"data": [2]}], [1, [2]], [[1]], [[1], [2, 3]]])
def test_what_only_ends_in_numbers_is_refused(data: Any) -> None:
    tensor = {"name": "x", "datatype": "FP32", "shape": [len(data)], "data": data}
    body = parse_object(orjson.dumps({"inputs": [tensor]}))
    assert body.numbers_under == "data"
    with pytest.raises(InvalidInput):
        open_request(body, memoryview(b""), 100)
