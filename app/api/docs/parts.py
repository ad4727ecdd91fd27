"""What every part of the OpenAPI document is put together from."""

from collections.abc import Iterable, Mapping
from typing import Any

_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def operation(summary: str, tag: str, responses: Mapping[str, Any]) -> dict[str, Any]:
    """One method of a path; ``responses`` by status."""
    return {"summary": summary, "tags": [tag], "responses": dict(responses)}


def json_answer(schema: Any, text: str = "The answer.") -> dict[str, Any]:
    """An answer in JSON: a marshmallow schema, or JSON Schema as it stands."""
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def problem(text: str) -> dict[str, Any]:
    """A refusal as a problem document."""
    return {"description": text, "content": _PROBLEM}


def problems(texts: Mapping[int, str]) -> dict[str, Any]:
    """Refusals by status."""
    return {str(status): problem(text) for status, text in texts.items()}


def path_parameter(name: str, known: Iterable[str]) -> dict[str, Any]:
    """A step of an address that has one of the known values."""
    return {"in": "path", "name": name, "required": True, "schema": {"type": "string", "enum": sorted(known)}}


UNREADABLE = {
    400: "The body is no JSON object.",
    413: "The body is too large.",
    415: "The body is no application/json.",
}
"""What is wrong with a body before anybody looks at what is in it."""
