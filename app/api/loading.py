"""Objects through their schemas."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from marshmallow import Schema, ValidationError

from app.registry.faults import MAX_REPORTED


def load(schema: Schema, data: Mapping[str, Any]) -> dict[str, Any]:
    """What a schema makes of an object.

    marshmallow writes a message for each name it does not know, which takes seconds for half a million of them: an
    object with more members than the schema is refused for the first few.

    Raises:
        ValidationError: names the members at fault.
    """
    known = schema.load_fields
    if len(data) > len(known):
        message = str(schema.error_messages["unknown"])
        strangers = islice((name for name in data if name not in known), MAX_REPORTED)
        raise ValidationError({name: [message] for name in strangers})
    loaded: dict[str, Any] = schema.load(data)
    return loaded
