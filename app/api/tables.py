"""Which form a body has and which form an answer shall have: JSON, CSV or an Arrow stream."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response

from app.api.arrow_table import ARROW, write_arrow
from app.api.csv_table import CSV, write_csv
from app.api.current import current_request

JSON = "application/json"


def wanted_form() -> str:
    """JSON unless the caller prefers another form that there is."""
    accept = current_request().environ.get("HTTP_ACCEPT", "*/*")
    if accept in ("*/*", JSON):
        return JSON
    return current_request().accept_mimetypes.best_match([JSON, CSV, ARROW]) or JSON


def as_table(form: str, answers: Sequence[Mapping[str, Any]], header: bool = True) -> Response:
    """One line per answer; a mapping in it becomes a column per name, such as ``probabilities.yes``.

    Without ``header`` CSV is lines alone, for callers that put many answers together.
    """
    flat = [_flat(answer) for answer in answers]
    names = list(dict.fromkeys(name for answer in flat for name in answer))
    columns = [[answer.get(name) for answer in flat] for name in names]
    if form == ARROW:
        return Response(write_arrow(names, columns), content_type=ARROW)
    kind = f"{CSV}; charset=utf-8; header={'present' if header else 'absent'}"
    return Response(write_csv(names if header else (), columns), content_type=kind)


def _flat(answer: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in answer.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat
