"""Messages and arrays, back and forth."""

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from app.errors import InvalidInput
from app.oip.datatypes import DATATYPES, datatype_of
from app.rpc.convert import request_tensors, response_message
from app.rpc.protocol import open_inference_pb2 as pb
from app.tensors import Prediction
from tests.contract.rpc.messages import raw, request, typed

NUMBERS = [name for name in DATATYPES if name != "BYTES"]


class _Reader:
    """Finds nothing wrong with any output."""

    def rows(self, outputs: Any, path: str) -> list[dict[str, Any]]:
        raise AssertionError("tensor protocols do not ask for rows")

    def refuse_gaps(self, outputs: Any, path: str) -> None:
        """Nothing to refuse."""


@st.composite
def tensors(draw: st.DrawFn, names: list[str] = NUMBERS) -> np.ndarray[Any, Any]:
    shape = draw(array_shapes(min_dims=1, max_dims=3, max_side=4))
    dtype = DATATYPES[draw(st.sampled_from(names))]
    return draw(arrays(dtype, shape, elements={"allow_nan": False} if dtype.kind == "f" else None))


@given(tensors())
def test_raw_numbers_arrive_as_they_were_sent(array: np.ndarray[Any, Any]) -> None:
    name = datatype_of(array.dtype)
    (taken,) = request_tensors(raw(request("m"), "X", name, array.shape, array), 100).columns.values()
    assert taken.dtype == array.dtype
    assert np.array_equal(taken, array)


@given(tensors([name for name in NUMBERS if name != "FP16"]))
def test_numbers_one_by_one_arrive_as_they_were_sent(array: np.ndarray[Any, Any]) -> None:
    name = datatype_of(array.dtype)
    asked = typed(request("m"), "X", name, array.shape, array.ravel().tolist())
    (taken,) = request_tensors(asked, 100).columns.values()
    assert taken.dtype == array.dtype
    assert np.array_equal(taken, array)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8))
def test_texts_arrive_in_both_forms(texts: list[str]) -> None:
    array = np.array(texts, dtype=np.object_)
    for asked in (
        raw(request("m"), "X", "BYTES", array.shape, array),
        typed(request("m"), "X", "BYTES", array.shape, [text.encode() for text in texts]),
    ):
        (taken,) = request_tensors(asked, 100).columns.values()
        assert taken.tolist() == texts


@given(tensors(), st.booleans())
def test_answers_have_the_form_of_the_question(array: np.ndarray[Any, Any], as_raw: bool) -> None:
    prediction = Prediction("m", "v1", {"Y": array}, len(array), _Reader())
    asked = pb.ModelInferRequest(raw_input_contents=[b"x"] if as_raw else [])
    answer = response_message(asked, prediction)
    sent_raw = as_raw or array.dtype == np.float16
    assert bool(answer.raw_output_contents) is sent_raw
    assert answer.outputs[0].HasField("contents") is not sent_raw
    echoed = pb.ModelInferRequest(raw_input_contents=answer.raw_output_contents)
    tensor = answer.outputs[0]
    inner = echoed.inputs.add(name="Y", datatype=tensor.datatype, shape=tensor.shape)
    if not sent_raw:
        inner.contents.CopyFrom(tensor.contents)
    assert np.array_equal(request_tensors(echoed, 100).columns["Y"], array)


@given(st.binary(max_size=200))
def test_noise_is_no_message_or_refused_or_read(noise: bytes) -> None:
    with suppress(DecodeError, InvalidInput):
        assert request_tensors(pb.ModelInferRequest.FromString(noise), 100).columns


def test_rows_are_counted_before_anything_is_done_with_them() -> None:
    asked = typed(request("m"), "X", "FP32", [101, 1], [0.0] * 101)
    with pytest.raises(InvalidInput, match="101 rows; one request takes at most 100"):
        request_tensors(asked, 100)
