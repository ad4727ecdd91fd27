"""What a route asks of its caller.

Every view says which scope it needs, or that it is public; ``register_gate`` refuses to build an application that has
a view which says neither. Roles are bundles of scopes (``config/roles.yaml``).
"""

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask

View = TypeVar("View", bound=Callable[..., Any])

PUBLIC = "public"


def needs(scope: str) -> Callable[[View], View]:
    """Declare the scope a view needs; goes under the route decorator."""

    def declare(view: View) -> View:
        view.scope = scope  # type: ignore[attr-defined]
        return view

    return declare


def about_every_model(view: View) -> View:
    """Declare that only callers who may see every model get in; goes under ``needs``."""
    view.about_every_model = True  # type: ignore[attr-defined]
    return view


def public(view: View) -> View:
    """Declare that a view is for everybody."""
    return needs(PUBLIC)(view)


def declared_scopes(app: Flask) -> dict[str, str]:
    """Endpoint -> scope, for every route of the application.

    Raises:
        LookupError: a view declares nothing; what is not declared must not be served.
    """
    scopes = {name: getattr(view, "scope", None) for name, view in app.view_functions.items()}
    silent = sorted(name for name, scope in scopes.items() if scope is None)
    if silent:
        raise LookupError(f"views without a declared scope: {', '.join(silent)}")
    return {name: str(scope) for name, scope in scopes.items()}


def about_every(app: Flask) -> frozenset[str]:
    """Endpoints whose views have declared ``about_every_model``."""
    return frozenset(name for name, view in app.view_functions.items() if hasattr(view, "about_every_model"))
