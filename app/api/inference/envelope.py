"""The JSON of an inference request, checked name by name: what is asked, and which tensors come with it.

Written by hand where the other bodies use marshmallow: with twenty inputs a schema would cost more than the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.api.bodies import Body
from app.api.inference.numbers import from_json
from app.errors import InvalidInput, clip
from app.oip.datatypes import DATATYPES
from app.oip.exchange import MAX_ID, as_rows, check_count, refuse_unsupported
from app.oip.raw import checked_shape, from_raw
from app.tensors import Array, Tensors

_REQUEST = frozenset({"id", "parameters", "inputs", "outputs", "model_name", "model_version"})
_INPUT = frozenset({"name", "shape", "datatype", "parameters", "data"})
_OUTPUT = frozenset({"name", "parameters"})
_TEXT = (str, type(None))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the answer shall hold. ``outputs`` is name -> whether it comes as binary; empty for all of them."""

    id: str | None
    outputs: Mapping[str, bool]
    binary: bool

    def as_binary(self, name: str) -> bool:
        """Whether this output's values stand behind the JSON."""
        return self.outputs.get(name, self.binary)


def open_request(body: Body, binary: memoryview, max_rows: int) -> tuple[Tensors, Wanted]:
    """The rows of a request and what is wanted for them.

    Raises:
        InvalidInput: names the member at fault.
    """
    data = body.data
    _known(data, _REQUEST, "")
    for name in ("model_name", "model_version"):
        if type(data.get(name, "")) not in _TEXT:
            raise InvalidInput({name: ["must be a string"]})
    parameters = _parameters(data, "")
    inputs = _objects(data.get("inputs"), "inputs")
    check_count(len(inputs))
    wanted = _wanted(data, bool(_flag(parameters, "binary_data_output", "parameters")))
    proven = _ends_with_numbers(body, inputs[-1])
    arrays, declared, at = [], {}, 0
    for number, tensor in enumerate(inputs):
        name, array, size = _tensor(tensor, binary[at:], f"inputs[{number}]", proven and tensor is inputs[-1])
        arrays.append((name, array))
        if array.dtype != DATATYPES[tensor["datatype"]]:
            declared[name] = DATATYPES[tensor["datatype"]]
        at += size
    if at != len(binary):
        raise InvalidInput({"inputs": [f"say of {at} bytes of binary data where {len(binary)} follow the JSON"]})
    return replace(as_rows(arrays, max_rows), declared=declared), wanted


def _wanted(data: Mapping[str, Any], binary: bool) -> Wanted:
    given = data.get("id")
    if given is not None and (type(given) is not str or len(given) > MAX_ID):
        raise InvalidInput({"id": [f"must be a string of at most {MAX_ID} characters"]})
    outputs: dict[str, bool] = {}
    named = data.get("outputs")
    for number, output in enumerate([] if named is None else _objects(named, "outputs")):
        path = f"outputs[{number}]"
        _known(output, _OUTPUT, path)
        name = _name(output, path)
        if name in outputs:
            raise InvalidInput({f"{path}.name": [f"'{clip(name)}' appears more than once"]})
        flag = _flag(_parameters(output, path), "binary_data", f"{path}.parameters")
        outputs[name] = binary if flag is None else flag
    return Wanted(given, outputs, binary)


def _ends_with_numbers(body: Body, last: Mapping[str, Any]) -> bool:
    """Whether the last thing in the text is the last tensor's data, and that a list of numbers.

    Or of objects that end in such a list, which no conversion to numbers takes.
    """
    return body.numbers_under == "data" and list(body.data)[-1] == "inputs" and list(last)[-1:] == ["data"]


def _tensor(tensor: Mapping[str, Any], binary: memoryview, path: str, numbers: bool) -> tuple[str, Array, int]:
    """Name, values, and how many bytes of the binary data they took."""
    _known(tensor, _INPUT, path)
    name = _name(tensor, path)
    datatype = tensor.get("datatype")
    if type(datatype) is not str or datatype not in DATATYPES:
        raise InvalidInput({f"{path}.datatype": [f"must be one of {', '.join(DATATYPES)}"]})
    shape = _shape(tensor.get("shape"), f"{path}.shape")
    size = _binary_size(_parameters(tensor, path), len(binary), f"{path}.parameters.binary_data_size")
    if size is None:
        if "data" not in tensor:
            raise InvalidInput({f"{path}.data": ["is missing, and so is parameters.binary_data_size"]})
        return name, from_json(tensor["data"], datatype, shape, f"{path}.data", numbers=numbers), 0
    if "data" in tensor:
        raise InvalidInput({f"{path}.data": ["must not stand beside parameters.binary_data_size"]})
    return name, from_raw(binary[:size], datatype, shape, path), size


def _binary_size(parameters: Mapping[str, Any], left: int, path: str) -> int | None:
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        raise InvalidInput({path: ["must be a whole number of bytes"]})
    if size > left:
        raise InvalidInput({path: [f"is {_short(size)}; {left} bytes of binary data are left"]})
    return size


def _shape(shape: Any, path: str) -> tuple[int, ...]:
    if type(shape) is not list or set(map(type, shape)) - {int}:
        raise InvalidInput({path: ["must be a list of whole numbers, one per axis"]})
    return checked_shape(shape, path)


def _name(item: Mapping[str, Any], path: str) -> str:
    name = item.get("name")
    if type(name) is not str or not name:
        raise InvalidInput({f"{path}.name": ["must be a string"]})
    return name


def _objects(items: Any, path: str) -> Sequence[Mapping[str, Any]]:
    if type(items) is not list or set(map(type, items)) - {dict}:
        raise InvalidInput({path: ["must be a list of objects"]})
    return items


def _parameters(item: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    parameters = item.get("parameters")
    if parameters is None:
        return {}
    place = f"{path}.parameters" if path else "parameters"
    if type(parameters) is not dict:
        raise InvalidInput({place: ["must be an object"]})
    refuse_unsupported([name for name, value in parameters.items() if value], place)
    return parameters


def _flag(parameters: Mapping[str, Any], name: str, path: str) -> bool | None:
    value = parameters.get(name)
    if value is not None and type(value) is not bool:
        raise InvalidInput({f"{path}.{name}": ["must be true or false"]})
    return value


def _known(item: Mapping[str, Any], names: frozenset[str], path: str) -> None:
    if not item.keys() <= names:
        strange = clip(min(item.keys() - names))
        place = f"{path}.{strange}" if path else strange
        raise InvalidInput({place: [f"is not known here; there are {', '.join(sorted(names))}"]})


def _short(number: int) -> str:
    return str(number) if number < 10**20 else "more than 20 digits long"
