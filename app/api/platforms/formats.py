"""The bodies these platforms' callers send, each as rows: told apart by the one key that holds them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from marshmallow import ValidationError

from app.api.bodies import Body
from app.api.prediction.schemas import FORMS, Envelope, entity_id, open_envelope
from app.errors import InvalidInput
from app.registry.manifest import Manifest
from app.tensors import Columns, Records, Rows, Tensors

Answer = Callable[[list[Any]], Any]
"""Makes the body of an answer from the prediction of each row."""

_SPLIT = frozenset({"columns", "data", "index"})
_PARAMETERS: Mapping[str, tuple[Any, ...]] = {
    "params": (None, {}),
    "GlobalParameters": (None, {}, {"method": "predict"}),
}
"""Parameters that may stand beside the rows, and the values of each that change nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows, and how their platform wants the answer; None for the whole answer that REST v1 gives."""

    envelope: Envelope
    answer: Answer | None


def as_predictions(predictions: list[Any]) -> Any:
    """MLflow's shape."""
    return {"predictions": predictions}


def open_invocation(body: Body, manifest: Manifest, max_rows: int) -> Asked:
    """MLflow's four forms, and those of REST v1 but for ``instances``, which here is MLflow's.

    Raises:
        ValidationError, InvalidInput: names the key at fault.
    """
    data = _without_parameters(body.data)
    form = _only(data, ("inputs", "instances", "dataframe_split", "dataframe_records"), ("features", "columns"))
    if form is None:
        return Asked(open_envelope(Body(data, body.numbers_only), manifest.entity_key, max_rows), None)
    if form == "inputs" and type(data[form]) is dict and data[form]:
        return Asked(_by_input(data[form], manifest.entity_key, max_rows), as_predictions)
    return Asked(_rows(data[form], form, manifest, body.numbers_only, max_rows), as_predictions)


def open_score(body: Body, manifest: Manifest, max_rows: int) -> Asked:
    """Azure ML's customs: ``data``, ``input_data`` and ``Inputs``, besides everything else that is taken here.

    Raises:
        ValidationError, InvalidInput: names the key at fault.
    """
    data = _without_parameters(body.data)
    if data.keys() & set(FORMS):
        return Asked(open_envelope(Body(data, body.numbers_only), manifest.entity_key, max_rows), None)
    if not data.keys() & {"data", "input_data", "Inputs"}:
        return open_invocation(body, manifest, max_rows)
    form = str(_only(data, ("data", "input_data", "Inputs")))
    value = data[form]
    if form == "Inputs" and type(value) is dict and value.keys() == {"data"}:
        value = value["data"]
    answer = _as_results if form == "Inputs" else _as_list
    return Asked(_rows(value, form, manifest, body.numbers_only, max_rows), answer)


def _as_list(predictions: list[Any]) -> Any:
    return predictions


def _as_results(predictions: list[Any]) -> Any:
    return {"Results": predictions}


def _without_parameters(data: Mapping[str, Any]) -> dict[str, Any]:
    """The body without the parameters that platforms allow beside the rows.

    Raises:
        InvalidInput: one that would change the answer.
    """
    for name, harmless in _PARAMETERS.items():
        if data.get(name) not in harmless:
            raise InvalidInput({name: ["are not supported: what a model answers is fixed in its manifest"]})
    return {name: value for name, value in data.items() if name not in _PARAMETERS}


def _only(data: Mapping[str, Any], forms: tuple[str, ...], others: tuple[str, ...] = ()) -> str | None:
    """The one form there is; None where it is one of the others."""
    given = [form for form in (*forms, *others) if form in data]
    if len(given) != 1:
        wanted = ", ".join((*forms, *others))
        raise InvalidInput({given[1] if given else forms[0]: [f"send exactly one of {wanted}"]})
    if given[0] in others:
        return None
    strange = sorted(data.keys() - {given[0]})
    if strange:
        raise InvalidInput({strange[0][:64]: [f"is no key that goes with {given[0]}"]})
    return given[0]


def _rows(value: Any, form: str, manifest: Manifest, numbers_only: bool, max_rows: int) -> Envelope:
    """Rows as lists or objects, columns by name, or a table split into names and rows."""
    split = type(value) is dict and "data" in value and value.keys() <= _SPLIT
    if form == "dataframe_split" and not split:
        raise InvalidInput({form: ["must be an object with columns and data"]})
    if split:
        return _split(value, form, manifest, numbers_only, max_rows)
    if type(value) is dict:
        return _as_v1({"columns": value}, "columns", form, manifest, numbers_only, max_rows)
    if type(value) is list and len(manifest.features) == 1 and not _holds(value, dict) and _is_bare(value, manifest):
        value = [[cell] for cell in value]
    return _as_v1({"instances": value}, "instances", form, manifest, numbers_only, max_rows)


def _split(value: Mapping[str, Any], form: str, manifest: Manifest, numbers_only: bool, max_rows: int) -> Envelope:
    rows, known = value["data"], [feature.name for feature in manifest.features]
    names: Any = value.get("columns", known)
    if type(value.get("index", [])) is not list:
        raise InvalidInput({f"{form}.index": ["must be a list"]})
    if type(names) is not list or set(map(type, names)) - {str} or len(set(names)) != len(names):
        raise InvalidInput({f"{form}.columns": ["must be a list of names, each of them once"]})
    if type(rows) is not list or not rows or not _holds(rows, list):
        raise InvalidInput({f"{form}.data": ["must be a list of at least one row, each a list"]})
    place = f"{form}.data"
    if names == known:
        return _as_v1({"instances": rows}, "instances", place, manifest, numbers_only, max_rows)
    uneven = next((at for at, row in enumerate(rows) if len(row) != len(names)), None)
    if uneven is not None:
        message = f"holds {len(rows[uneven])} values for {len(names)} columns"
        raise InvalidInput({f"{place}[{uneven}]": [message]})
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return _as_v1({"columns": columns}, "columns", form, manifest, numbers_only, max_rows)


def _as_v1(
    data: dict[str, Any], key: str, place: str, manifest: Manifest, numbers_only: bool, max_rows: int
) -> Envelope:
    """The envelope of the same rows in REST v1, with the sender's own words for where they stand."""
    try:
        envelope = open_envelope(Body(data, numbers_only), manifest.entity_key, max_rows)
    except ValidationError as error:
        errors = {name.replace(key, place, 1): texts for name, texts in error.normalized_messages().items()}
        raise InvalidInput(errors) from None
    instances = envelope.instances
    if isinstance(instances, Records | Rows):
        return replace(envelope, instances=replace(instances, path=instances.path.replace(key, place, 1)))
    return replace(envelope, instances=Columns(data[key], place))


def _by_input(arrays: Mapping[str, Any], entity_key: str | None, max_rows: int) -> Envelope:
    """Tensors by the names of the model's inputs or features; each value keeps the type it has in JSON."""
    columns = {name: np.array(value, dtype=np.object_) for name, value in arrays.items()}
    tensors = Tensors(columns, "inputs.{name}", exact=False)
    if tensors.rows > max_rows:
        raise InvalidInput({"inputs": [f"holds {tensors.rows} rows; one request takes at most {max_rows}"]})
    entities = columns[entity_key].ravel().tolist() if entity_key in columns else []
    place = f"inputs.{entity_key}[{{}}]".format
    return Envelope(tensors, [entity_id(value, place, number) for number, value in enumerate(entities)], False)


def _is_bare(value: list[Any], manifest: Manifest) -> bool:
    """Whether rows of a model with one feature are its values themselves, not lists of one value."""
    return bool(manifest.features[0].shape) or not _holds(value, list)


def _holds(values: list[Any], kind: type) -> bool:
    return set(map(type, values)) == {kind}
