"""The API's shape: documented both ways, one package per blueprint, one status per cause."""

import ast
import json
from importlib import import_module
from pkgutil import iter_modules

import pytest
from flask import Flask
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Rule

import app.api
from app.api.errors import STATUS
from app.errors import SluiceError
from app.factory import BLUEPRINTS
from tests.architecture.source import ROOT, modules
from tests.servers import Server

PACKAGES = [module.name for module in iter_modules(app.api.__path__) if module.ispkg]

WITHOUT_SCHEMAS = {"docs", "metrics"}
"""Their shapes are OpenAPI's and Prometheus'."""

OFFLINE = ("app/commands/", "app/registry/intake/")
"""Their errors are for whoever types a command; no request meets them."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _bare() -> Flask:
    """The blueprints alone: a URL map without services behind it."""
    bare = Flask("routes", static_folder=None)
    for blueprint in BLUEPRINTS:
        bare.register_blueprint(blueprint)
    return bare


def _documented(server: Server) -> set[tuple[str, str]]:
    paths = json.loads(server.get("/openapi.json").body)["paths"]
    return {(path, method.upper()) for path, item in paths.items() for method in item if method.upper() in METHODS}


def _rule(path: str, method: str) -> Rule | None:
    adapter = _bare().url_map.bind("localhost")
    try:
        rule, _ = adapter.match(path, method, return_rule=True)
    except (NotFound, MethodNotAllowed):
        return None
    return rule


def test_every_documented_path_exists(server: Server) -> None:
    assert {entry for entry in _documented(server) if _rule(*entry) is None} == set()


def test_every_route_is_documented(server: Server) -> None:
    documented = {(str(rule), method) for path, method in _documented(server) if (rule := _rule(path, method))}
    routes = {
        (str(rule), method)
        for rule in _bare().url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes - documented == set()


@pytest.mark.parametrize("name", PACKAGES)
def test_a_blueprint_is_a_package_of_rest_and_schemas(name: str) -> None:
    folder = ROOT / "app" / "api" / name
    assert (folder / "rest.py").is_file()
    assert (folder / "schemas.py").is_file() is (name not in WITHOUT_SCHEMAS)
    assert import_module(f"app.api.{name}").blueprint in BLUEPRINTS


def test_every_blueprint_is_such_a_package() -> None:
    assert sorted(blueprint.name for blueprint in BLUEPRINTS) == sorted(PACKAGES)


def _causes() -> set[str]:
    """Every class under SluiceError, found in the source so that nothing need be imported."""
    bases = {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for module in modules("app")
        if not module.name.startswith(OFFLINE)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ClassDef)
    }
    causes = {SluiceError.__name__}
    while grown := {name for name, above in bases.items() if above & causes} - causes:
        causes |= grown
    return causes - {SluiceError.__name__}


def test_every_cause_has_its_status() -> None:
    assert _causes() == {cause.__name__ for cause in STATUS}
