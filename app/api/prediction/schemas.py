"""The envelope of a prediction body, and its answer.

marshmallow guards the envelope: which keys, how many rows, what kind of container. What stands in a row is the
model's business and is checked by ``registry.encoder``, in numpy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from app.api.bodies import Body
from app.api.loading import load
from app.tensors import Columns, Instances, Records, Rows

FORMS = ("features", "instances", "columns")
MAX_ENTITY_LENGTH = 256
MIN_ENTITY, MAX_ENTITY = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a body asked for. ``entities`` holds one id or None per row, or is empty when no row has one."""

    instances: Instances
    entities: Sequence[Any]
    single: bool

    @property
    def path(self) -> str:
        """How a row is named to its sender."""
        return self.instances.path if isinstance(self.instances, Records | Rows) else "columns[{i}]"


class _Part(fields.Field[Any]):
    """A member of the envelope."""

    default_error_messages: dict[str, str | list[Any] | dict[Any, Any]] = {"null": "must not be null"}  # noqa: RUF012


class Features(_Part):
    """One row: an object by feature name, or a list in order."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> Any:
        if type(value) is not dict and type(value) is not list:
            raise ValidationError("must be an object of feature values by name, or a list of them in order")
        return value


class ManyRows(_Part):
    """Rows, all objects or all lists, as many as allowed."""

    def __init__(self, max_rows: int) -> None:
        super().__init__()
        self._max_rows = max_rows

    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> Any:
        if type(value) is not list or not value:
            raise ValidationError("must be a list of at least one row")
        if len(value) > self._max_rows:
            raise ValidationError(f"holds {len(value)} rows; one request takes at most {self._max_rows}")
        kinds = set(map(type, value))
        if len(kinds) != 1 or not kinds <= {dict, list}:
            raise ValidationError("rows must be all objects or all lists")
        return value


class ManyColumns(_Part):
    """One list per feature name."""

    def __init__(self, max_rows: int) -> None:
        super().__init__()
        self._max_rows = max_rows

    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> Any:
        if type(value) is not dict or not value or set(map(type, value.values())) != {list}:
            raise ValidationError("must be an object with one list of values per feature")
        longest = max(map(len, value.values()))
        if longest > self._max_rows:
            raise ValidationError(f"holds {longest} rows; one request takes at most {self._max_rows}")
        return value


class Entity(_Part):
    """Whom a row is about: echoed, never fed to the model."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> Any:
        return entity_id(value, str, attr)


class EnvelopeSchema(Schema):
    """Exactly one of ``features``, ``instances`` and ``columns``."""

    error_messages: dict[str, str] = {  # noqa: RUF012 - as marshmallow declares it
        "unknown": "is no key of a prediction; send features, instances or columns"
    }

    @validates_schema(skip_on_field_errors=True)
    def _one_form(self, data: Mapping[str, Any], **_: Any) -> None:
        given = [form for form in FORMS if form in data]
        if len(given) != 1:
            raise ValidationError(f"send exactly one of {', '.join(FORMS)}", given[1] if given else "features")


@lru_cache(maxsize=256)
def envelope_schema(entity_key: str | None, max_rows: int) -> Schema:
    """The schema for models with that entity key."""
    members: dict[str, Any] = {
        "features": Features(),
        "instances": ManyRows(max_rows),
        "columns": ManyColumns(max_rows),
    }
    if entity_key:
        members[entity_key] = Entity()
    return EnvelopeSchema.from_dict(members)()


def open_envelope(body: Body, entity_key: str | None, max_rows: int) -> Envelope:
    """Check the body's shape and take the rows and entities out.

    Raises:
        ValidationError: names the key at fault.
    """
    data = _checked(envelope_schema(entity_key, max_rows), body.data, entity_key)
    if "features" in data:
        features = data["features"]
        rows = (
            Records([features], "features")
            if type(features) is dict
            else Rows([features], "features", body.numbers_only)
        )
        return Envelope(rows, _single_entity(data, features, entity_key), True)
    if entity_key is not None and entity_key in data:
        raise ValidationError("belongs to each row when there are several", entity_key)
    if "columns" in data:
        return _open_columns(data["columns"], entity_key)
    return _open_rows(data["instances"], entity_key, body.numbers_only)


def _checked(schema: Schema, data: dict[str, Any], entity_key: str | None) -> dict[str, Any]:
    """What ``schema.load`` gives. One form, alone or with its entity, needs no more than its fields' own checks."""
    known = schema.load_fields
    if len(data) - (entity_key in data) == 1 and data.keys() <= known.keys():
        try:
            return {name: known[name].deserialize(value, name, data) for name, value in data.items()}
        except ValidationError:
            pass  # the schema says it again, with the key's name
    return load(schema, data)


def _single_entity(data: Mapping[str, Any], features: Any, entity_key: str | None) -> list[Any]:
    if entity_key is None:
        return []
    if entity_key in data:
        if type(features) is dict and entity_key in features:
            raise ValidationError("stands beside features already", f"features.{entity_key}")
        return [data[entity_key]]
    if type(features) is dict and entity_key in features:
        return [entity_id(features[entity_key], "features.{}".format, entity_key)]
    return []


def _open_rows(rows: list[Any], entity_key: str | None, numbers_only: bool) -> Envelope:
    if type(rows[0]) is list:
        return Envelope(Rows(rows, numbers_only=numbers_only), [], False)
    if type(rows[0].get("features")) in (dict, list):
        return _open_nested(rows, entity_key)
    return Envelope(Records(rows), _entities(rows, entity_key, "instances[{i}]"), False)


def _open_nested(rows: list[dict[str, Any]], entity_key: str | None) -> Envelope:
    """Rows written as single bodies: ``{"customer_id": ..., "features": ...}``."""
    path = "instances[{i}].features"
    inner = [row.get("features") for row in rows]
    if len(set(map(type, inner))) != 1:
        raise ValidationError("rows must be all objects or all lists", "instances")
    for number, row in enumerate(rows):
        if not row.keys() <= {"features", entity_key}:
            name = next(name for name in row if name not in ("features", entity_key))
            raise ValidationError("is no key of a row that has features", f"instances[{number}].{name}")
    entities = _entities(rows, entity_key, "instances[{i}]")
    return Envelope(Records(inner, path) if type(inner[0]) is dict else Rows(inner, path), entities, False)  # type: ignore[arg-type]


def _open_columns(columns: Mapping[str, list[Any]], entity_key: str | None) -> Envelope:
    if entity_key is None or entity_key not in columns:
        return Envelope(Columns(columns), [], False)
    place = f"columns.{entity_key}[{{}}]".format
    entities = [entity_id(entity, place, number) for number, entity in enumerate(columns[entity_key])]
    if len(set(map(len, columns.values()))) != 1:
        raise ValidationError("must be as long as the other columns", f"columns.{entity_key}")
    return Envelope(Columns(columns), entities, False)


def _entities(rows: Sequence[Mapping[str, Any]], entity_key: str | None, path: str) -> list[Any]:
    if entity_key is None or not any(entity_key in row for row in rows):
        return []
    place = (path.replace("{i}", "{}") + f".{entity_key}").format
    return [entity_id(row[entity_key], place, number) if entity_key in row else None for number, row in enumerate(rows)]


def entity_id(value: Any, place: Callable[[Any], str], at: Any) -> str | int:
    """A string or an integer of 64 bits, 7.0 as 7; ``place(at)`` names the field where it is something else.

    Raises:
        ValidationError: names the field.
    """
    if type(value) is str and len(value) <= MAX_ENTITY_LENGTH:
        return value
    if type(value) is float and value.is_integer() and abs(value) <= MAX_ENTITY:
        value = int(value)
    if type(value) is int and MIN_ENTITY <= value <= MAX_ENTITY:
        return value
    raise ValidationError(
        f"must be a string of at most {MAX_ENTITY_LENGTH} characters, or an integer of 64 bits", place(at)
    )
