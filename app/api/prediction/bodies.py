"""A prediction's body in each of its forms: JSON, CSV, or an Arrow stream."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import orjson

from app.api.arrow_table import ARROW, read_arrow
from app.api.bodies import Body, parse_object, read_bytes, read_json
from app.api.csv_table import CSV, read_csv
from app.api.current import current_request
from app.api.long_lists import last_list, numbers, parse_emptied
from app.api.prediction.schemas import Envelope, entity_id, open_envelope
from app.api.tables import JSON
from app.errors import InvalidInput
from app.registry.manifest import Manifest
from app.services import Services
from app.tensors import Columns, NumberRows, Tensors


def read_envelope(here: Services, manifest: Manifest) -> Envelope:
    """What the current request's body asks for.

    Raises:
        HTTPException, ValidationError, InvalidInput: it is not what its headers say, or names what it may not.
    """
    table = read_table(here, manifest)
    return table or open_envelope(read_json(here.max_body_bytes, parse_rows), manifest.entity_key, here.max_rows)


def parse_rows(raw: bytes, example: str = "") -> Body:
    """As ``parse_object``, but for many rows of numbers, which are read once and without an object for each.

    Raises:
        BadRequest, InvalidInput: as ``parse_object``.
    """
    place = last_list(raw)
    return (_with_matrix(raw, place) if place else None) or parse_object(raw, example)


def _with_matrix(raw: bytes, place: slice) -> Body | None:
    """None where that list is not ``instances``, or holds anything but rows of as many numbers each."""
    body = parse_emptied(raw, place)
    if body is None or body.numbers_under != "instances" or list(body.data.items())[-1:] != [("instances", [])]:
        return None
    text = raw[place]
    matrix = numbers(text)
    if matrix is None or matrix.ndim != 2:
        return None
    body.data["instances"] = NumberRows(matrix, partial(orjson.loads, text))
    return body


def read_table(here: Services, manifest: Manifest, guess_header: bool = False) -> Envelope | None:
    """The body where it is CSV or an Arrow stream, None where it is of another kind.

    ``guess_header`` takes a first line of CSV that names no feature for a row, as some platforms send rows alone.

    Raises:
        HTTPException, ValidationError, InvalidInput: as ``read_envelope``.
    """
    request = current_request()
    if request.environ.get("CONTENT_TYPE") == JSON or request.mimetype not in (CSV, ARROW):
        return None
    raw = read_bytes(here.max_body_bytes)
    if request.mimetype == ARROW:
        return _from_arrow(raw, here, manifest)
    names = {feature.name for feature in manifest.features}
    return _from_csv(raw, here, manifest, (lambda cells: not names.isdisjoint(cells)) if guess_header else bool)


def _from_csv(raw: bytes, here: Services, manifest: Manifest, is_header: Callable[[list[str]], bool]) -> Envelope:
    names, rows = read_csv(raw, here.max_rows, current_request().mimetype_params, is_header)
    if names is None:
        names = [feature.name for feature in manifest.features]
        if len(rows[0]) != len(names):
            raise InvalidInput({"line 1": [f"holds {len(rows[0])} cells; the model has {len(names)} features"]})
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    cells = columns.pop(manifest.entity_key, []) if manifest.entity_key else []
    return Envelope(Columns(columns, text=True), _entities([cell or None for cell in cells], manifest), False)


def _from_arrow(raw: bytes, here: Services, manifest: Manifest) -> Envelope:
    columns = read_arrow(raw, here.max_rows, here.max_body_bytes)
    given = columns.pop(manifest.entity_key, None) if manifest.entity_key else None
    entities = [] if given is None else _entities(given.tolist(), manifest)
    return Envelope(Tensors(columns, "columns.{name}", exact=False), entities, False)


def _entities(values: Sequence[Any], manifest: Manifest) -> list[Any]:
    place = f"columns.{manifest.entity_key}[{{}}]".format
    return [None if value is None else entity_id(value, place, number) for number, value in enumerate(values)]
