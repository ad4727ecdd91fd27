"""From the tensors of a request to the rows of the domain, and from its answer to the outputs that were asked for."""

from collections.abc import Collection, Mapping, Sequence

from app.errors import InvalidInput, clip
from app.tensors import Array, Tensors

MAX_INPUTS = 4096
"""More tensors than any model has features for; refused before any of them is read."""


MAX_ID = 1024
"""Characters of a request's id, which goes back as it came."""

_UNSUPPORTED = ("shared_memory_region", "classification", "sequence_id")
"""Parameters that change what an answer means: to ignore one would be to answer something else than was asked."""


def refuse_unsupported(parameters: Collection[str], path: str) -> None:
    """Parameters that this server knows of and does not have.

    Raises:
        InvalidInput
    """
    for name in _UNSUPPORTED:
        if name in parameters:
            raise InvalidInput({f"{path}.{name}": ["is not supported by this server"]})


def check_count(inputs: int) -> None:
    """Refuse a request of no tensors, or of more than ``MAX_INPUTS``.

    Raises:
        InvalidInput
    """
    if not 0 < inputs <= MAX_INPUTS:
        raise InvalidInput({"inputs": [f"holds {inputs} tensors; from 1 to {MAX_INPUTS} are taken"]})


def as_rows(inputs: Sequence[tuple[str, Array]], max_rows: int) -> Tensors:
    """Named arrays, in the order of the request, as rows.

    Raises:
        InvalidInput: two of one name, or more rows than one request may bring.
    """
    columns: dict[str, Array] = {}
    for number, (name, array) in enumerate(inputs):
        if name in columns:
            raise InvalidInput({f"inputs[{number}].name": [f"'{clip(name)}' appears more than once"]})
        columns[name] = array
    tensors = Tensors(columns)
    if tensors.rows > max_rows:
        raise InvalidInput({"inputs[0].shape": [f"holds {tensors.rows} rows; one request takes at most {max_rows}"]})
    return tensors


def chosen(outputs: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
    """The outputs of these names in that order; all of them when none is named.

    Raises:
        InvalidInput: a name that the model has no output of, or one that was named before.
    """
    found: dict[str, Array] = {}
    for number, name in enumerate(names):
        if name not in outputs:
            known = ", ".join(list(outputs)[:12])
            raise InvalidInput(
                {f"outputs[{number}].name": [f"'{clip(name)}' is no output of this model; it has {known}"]}
            )
        if name in found:
            raise InvalidInput({f"outputs[{number}].name": [f"'{clip(name)}' appears more than once"]})
        found[name] = outputs[name]
    return found or dict(outputs)
