"""Flask without what a JSON API never uses.

Flask looks for a session, for virtual hosts, for ``async def`` and for the hooks of each blueprint on every request,
whether or not there are any. Each is a documented point to override; together they cost a prediction 25 microseconds.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response
from flask.globals import _cv_request
from flask.sessions import SessionInterface
from werkzeug.exceptions import NotFound
from werkzeug.routing import MapAdapter

from app.api.current import Visit, current_request

MOST_ADDRESSES = 1024
"""Addresses whose rule is remembered; there are as many as models times routes, or as a scanner thinks of."""


class _NoSession(SessionInterface):
    """Nobody is logged in: who calls is said by each request's own key or token."""

    def open_session(self, app: Flask, request: Request) -> None:
        """Nothing to open."""

    def make_null_session(self, app: Flask) -> Any:
        """Never looked at."""

    def is_null_session(self, obj: object) -> bool:
        """So that nothing is saved."""
        return True


class _Routes(MapAdapter):
    """Remembers the rules of addresses it has seen; matching one anew also leaves a cycle to the garbage collector.

    ``doubled``: the address begins with two slashes. werkzeug would take them for one, and so ``//metrics`` would get
    past a proxy that hides ``/metrics``; here there is nothing at such an address.
    """

    seen: dict[tuple[str, str], Any]
    doubled: bool

    def match(self, *args: Any, **kwargs: Any) -> Any:
        """Rule and values of the current request's address, as werkzeug finds them.

        Raises:
            HTTPException: there is none, or not for this method.
        """
        if args or kwargs != {"return_rule": True}:
            return super().match(*args, **kwargs)
        if self.doubled:
            raise NotFound
        key = (self.default_method, self.path_info)
        found = self.seen.get(key)
        if found is None:
            found = super().match(return_rule=True)
            if len(self.seen) >= MOST_ADDRESSES:
                self.seen.clear()
            self.seen[key] = found
        rule, values = found
        return rule, dict(values)


class Application(Flask):
    """No sessions, no virtual hosts, no async views; which hooks apply is worked out once per endpoint."""

    session_interface = _NoSession()
    app_ctx_globals_class: Any = Visit

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._before: dict[str | None, list[Any]] = {}
        self._after: dict[str | None, list[Any]] = {}
        self._addresses: dict[tuple[str, str], Any] = {}

    def preprocess_request(self) -> Any:
        """Run what comes before a view, the application's hooks first; the first answer ends it."""
        if self.url_value_preprocessors:
            return super().preprocess_request()
        request = current_request()
        hooks = self._before.get(request.endpoint)
        if hooks is None:
            names = (None, *reversed(request.blueprints))
            hooks = [hook for name in names for hook in self.before_request_funcs.get(name, ())]
            self._before[request.endpoint] = hooks
        for hook in hooks:
            answer = hook()
            if answer is not None:
                return answer
        return None

    def process_response(self, response: Response) -> Response:
        """Run what comes after a view, the application's hooks last."""
        request = current_request()
        hooks = self._after.get(request.endpoint)
        if hooks is None:
            names = (*request.blueprints, None)
            hooks = [hook for name in names for hook in reversed(self.after_request_funcs.get(name, ()))]
            self._after[request.endpoint] = hooks
        own = _cv_request.get()._after_request_functions  # noqa: SLF001 - where after_this_request leaves them
        for hook in (*own, *hooks):
            response = hook(response)
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Nothing, unless somebody asked for it."""
        if self.teardown_request_funcs:
            super().do_teardown_request(exc)

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Nothing, unless somebody asked for it."""
        if self.teardown_appcontext_funcs:
            super().do_teardown_appcontext(exc)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Views and hooks are plain functions here."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Routes depend on path and method alone; the host only serves to write redirects."""
        if request is None:
            return super().create_url_adapter(None)
        environ = request.environ
        routes = _Routes(
            self.url_map,
            server_name=environ.get("HTTP_HOST") or environ["SERVER_NAME"],
            script_name=request.root_path,
            subdomain="",
            url_scheme=request.scheme,
            path_info=request.path,
            default_method=request.method,
            query_args=environ.get("QUERY_STRING", ""),
        )
        routes.seen = self._addresses
        routes.doubled = environ["PATH_INFO"].startswith("//")
        return routes
