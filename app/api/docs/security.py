"""What the document says of keys and tokens: which operations ask for one, and what they answer without."""

import re
from copy import deepcopy
from typing import Any

from flask import Flask

from app.api.access import PUBLIC, declared_scopes
from app.api.docs.parts import problem

_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a token of the configured issuer."},
}

_REFUSALS = {
    "401": "No valid key or token.",
    "403": "The role does not have the scope `{scope}`.",
    "429": "A quota is used up; `Retry-After` says when to come again.",
}


def add_security(document: dict[str, Any], app: Flask) -> None:
    """Tell, in place, what each operation needs; the scopes are those the gate itself asks for."""
    document["components"].setdefault("securitySchemes", {}).update(_SCHEMES)
    scopes = declared_scopes(app)
    adapter = app.url_map.bind("localhost")
    for path, operations in document["paths"].items():
        address = re.sub(r"\{\w+\}", "x", path)
        for method, operation in operations.items():
            if method == "parameters":  # what all methods of a path share
                continue
            scope = scopes[adapter.match(address, method.upper())[0]]
            if scope != PUBLIC:
                _secure(operation, scope)


def _secure(operation: dict[str, Any], scope: str) -> None:
    operation["security"] = [{name: []} for name in _SCHEMES]
    refused = next((item for code, item in operation["responses"].items() if code.startswith("4")), None)
    shape = refused if refused and "content" in refused else problem("")
    for code, text in _REFUSALS.items():
        answer = {"description": text.format(scope=scope), "content": deepcopy(shape["content"])}
        operation["responses"].setdefault(code, answer)
