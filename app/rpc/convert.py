"""Protocol messages -> arrays and back: values one by one (``contents``) or as raw bytes, all or none of them.

Whatever a message claims is checked before it is believed: names, datatypes, shapes, and that there are exactly as
many values as the shape says.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from app.errors import InvalidInput, clip
from app.oip.datatypes import DATATYPES, datatype_of
from app.oip.exchange import MAX_ID, as_rows, check_count, chosen, refuse_unsupported
from app.oip.raw import as_texts, checked_shape, from_raw, texts_of, to_raw
from app.rpc.protocol.open_inference_pb2 import InferTensorContents, ModelInferRequest, ModelInferResponse
from app.tensors import Array, Prediction, Tensors

_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where a datatype's values stand one by one. FP16 has no such place and is always raw."""


def request_tensors(request: ModelInferRequest, max_rows: int) -> Tensors:
    """The inputs of a request as rows.

    Raises:
        InvalidInput: names the input, and what of it does not fit.
    """
    if len(request.id) > MAX_ID:
        raise InvalidInput({"id": [f"must be a string of at most {MAX_ID} characters"]})
    check_count(len(request.inputs))
    refuse_unsupported(request.parameters, "parameters")
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        message = f"holds {len(raw)} entries for {len(request.inputs)} inputs; give one to each, or none at all"
        raise InvalidInput({"raw_input_contents": [message]})
    arrays = [
        (tensor.name, _array(tensor, raw[number] if raw else None, number))
        for number, tensor in enumerate(request.inputs)
    ]
    return as_rows(arrays, max_rows)


def response_message(request: ModelInferRequest, prediction: Prediction) -> ModelInferResponse:
    """The answer in the form of the question: raw bytes for raw bytes, and wherever values one by one cannot do.

    Raises:
        InvalidInput: outputs that the model does not have, or a row without a finite answer.
    """
    for number, wanted in enumerate(request.outputs):
        refuse_unsupported(wanted.parameters, f"outputs[{number}].parameters")
    outputs = chosen(prediction.arrays("inputs[0].data[{i}]"), [output.name for output in request.outputs])
    answer = ModelInferResponse(model_name=prediction.model, model_version=prediction.version, id=request.id)
    datatypes = [datatype_of(array.dtype) for array in outputs.values()]
    raw = bool(request.raw_input_contents) or not _FIELDS.keys() >= set(datatypes)
    for (name, array), datatype in zip(outputs.items(), datatypes, strict=True):
        tensor = answer.outputs.add(name=name, datatype=datatype, shape=array.shape)
        if raw:
            answer.raw_output_contents.append(to_raw(array))
        else:
            getattr(tensor.contents, _FIELDS[datatype]).extend(_values(array, datatype))
    return answer


def _array(tensor: ModelInferRequest.InferInputTensor, raw: bytes | None, number: int) -> Array:
    path = f"inputs[{number}]"
    refuse_unsupported(tensor.parameters, f"{path}.parameters")
    if tensor.datatype not in DATATYPES:
        wanted = ", ".join(DATATYPES)
        raise InvalidInput({f"{path}.datatype": [f"'{clip(tensor.datatype)}' is none of {wanted}"]})
    shape = checked_shape(tensor.shape, f"{path}.shape")
    if raw is None:
        return _from_contents(tensor.contents, tensor.datatype, shape, f"{path}.contents")
    if tensor.HasField("contents"):
        raise InvalidInput({f"{path}.contents": ["must not stand beside raw_input_contents"]})
    return from_raw(raw, tensor.datatype, shape, f"raw_input_contents[{number}]")


def _from_contents(contents: InferTensorContents, datatype: str, shape: tuple[int, ...], path: str) -> Array:
    if datatype not in _FIELDS:
        raise InvalidInput({path: [f"{datatype} comes as raw_input_contents only"]})
    filled = [(field.name, values) for field, values in contents.ListFields()]
    strangers = [name for name, _ in filled if name != _FIELDS[datatype]]
    if strangers:
        raise InvalidInput({f"{path}.{strangers[0]}": [f"is no place for {datatype}; that is {_FIELDS[datatype]}"]})
    values: Sequence[Any] = filled[0][1] if filled else []
    if len(values) != prod(shape):
        raise InvalidInput({path: [f"holds {len(values)} values; the shape stands for {prod(shape)}"]})
    if datatype == "BYTES":
        return as_texts(values, shape, f"{path}.bytes_contents")
    return _numbers(values, datatype, path).reshape(shape)


def _numbers(values: Sequence[Any], datatype: str, path: str) -> Array:
    """INT8 and its like travel as 32 bits, so a value may not fit."""
    dtype = DATATYPES[datatype]
    if dtype.itemsize < 4 and dtype.kind in "iu":
        wide: Array = np.array(values, dtype=np.int64)
        limits = np.iinfo(dtype)
        if wide.size and not limits.min <= wide.min() <= wide.max() <= limits.max:
            raise InvalidInput({path: [f"holds a value that is no {datatype}"]})
        return wide.astype(dtype)
    return np.array(values, dtype=dtype)


def _values(array: Array, datatype: str) -> Sequence[Any]:
    values: list[Any] = texts_of(array) if datatype == "BYTES" else array.ravel().tolist()
    return values
