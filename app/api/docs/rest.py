"""Swagger UI from our own address, over a document generated from what is really served."""

from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, current_app, request, send_from_directory
from werkzeug.exceptions import NotFound

from app.api.access import public
from app.api.docs.openapi import build_document
from app.api.docs.security import add_security
from app.api.json import json_response
from app.services import services

blueprint = Blueprint("docs", __name__)

_ASSETS = str(files("flask_swagger_ui") / "dist")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice: API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
<link rel="icon" href="/docs/assets/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, tryItOutEnabled: true});\n'


@blueprint.get("/docs")
@public
def page() -> Any:
    """The interactive reference."""
    return Response(_PAGE, content_type="text/html; charset=utf-8")


@blueprint.get("/docs/start.js")
@public
def start() -> Any:
    """Starts Swagger UI; a file of its own so that no inline script is needed."""
    return Response(_START, content_type="text/javascript; charset=utf-8")


@blueprint.get("/docs/assets/<name>")
@public
def asset(name: str) -> Any:
    """A file of Swagger UI."""
    return send_from_directory(_ASSETS, name, max_age=86400)


@blueprint.get("/openapi.json")
@public
def document() -> Any:
    """The OpenAPI document of this server and the models it serves now."""
    return _document()


@blueprint.get("/swagger.json")
@public
def swagger() -> Any:
    """The same document where Azure ML looks for one; it asks for ``?version=2`` or 3, and 3 is what there is."""
    if request.args.get("version", "3") != "3":
        raise NotFound("This server describes itself in version 3 only.")
    return _document()


def _document() -> Any:
    here = services()
    described = build_document(here)
    if here.keyring is not None:
        add_security(described, current_app)
    return json_response(described)
