"""A running server, for commands: where it is, who asks, and its refusals as one sentence."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

import click

TIMEOUT_S = 30.0


class RemoteFailed(click.ClickException):
    """The server refused, or cannot be reached. ``status`` is 0 when there was no answer.

    ``errors`` maps field paths to messages where values did not fit; ``wait_s`` is when to come again, where told.
    """

    def __init__(
        self,
        message: str,
        status: int = 0,
        errors: Mapping[str, Sequence[str]] | None = None,
        wait_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.errors = errors or {}
        self.wait_s = wait_s


class _NoRedirects(HTTPRedirectHandler):
    """Urllib would show the API key to whatever address an answer names, and turn a POST into a GET on the way."""

    def redirect_request(self, *_: Any) -> None:
        """None: the answer is an error, which says where it pointed."""


_OPENER = build_opener(_NoRedirects)


class Remote:
    """Asks one server, and no other that this one may point to.

    ``named`` and ``key_named`` are where the address and the key came from, for messages about them.
    """

    def __init__(
        self, url: str, api_key: str | None, named: str = "SLUICE_URL", key_named: str = "SLUICE_API_KEY"
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise RemoteFailed(f"{url!r} is no address of a server; it begins with http:// or https://.")
        self.url = url.rstrip("/")
        self._api_key = api_key
        self._named = named
        self._key_named = key_named

    def get(self, path: str) -> Any:
        """GET; the parsed answer.

        Raises:
            RemoteFailed
        """
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: Any = None) -> Any:
        """POST a JSON body.

        Raises:
            RemoteFailed
        """
        return self._ask("POST", path, body or {}, {})

    def put(self, path: str, body: Any, generation: int | None = None) -> Any:
        """PUT a JSON body over the generation that was seen, or over whichever there is.

        Raises:
            RemoteFailed
        """
        return self._ask("PUT", path, body, {} if generation is None else {"If-Match": f'"{generation}"'})

    def _ask(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        sent = {"Accept": "application/json", **headers}
        if data is not None:
            sent["Content-Type"] = "application/json"
        if self._api_key:
            sent["X-API-Key"] = self._api_key
        request = Request(self.url + path, data, sent, method=method)  # noqa: S310 - the scheme is checked above
        try:
            with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
                return _object(json.loads(answer.read()))
        except HTTPError as error:
            raise self._refused(error) from None
        except (URLError, HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise RemoteFailed(
                f"{self.url} cannot be asked ({reason}); is the server running, and {self._named} its address?"
            ) from None

    def _refused(self, error: HTTPError) -> RemoteFailed:
        try:
            problem = json.loads(error.read())
            detail, errors = str(problem["detail"]), problem.get("errors")
        except (ValueError, KeyError, TypeError, OSError):
            detail, errors = str(error.reason), None
        if 300 <= error.code < 400:
            where = error.headers.get("Location", "nowhere")
            detail = f"The server points to {where!r}; set {self._named} if that is right"
        wait = error.headers.get("Retry-After", "")
        message = f"{detail} ({error.code}){_HINTS.get(error.code, '').format(key=self._key_named)}"
        return RemoteFailed(message, error.code, errors, float(wait) if wait.isdecimal() else None)


def _object(answer: Any) -> dict[str, Any]:
    """Every answer of this server is one. Raises ValueError."""
    if not isinstance(answer, dict):
        raise ValueError("what answers is no Sluice server")
    return answer


_HINTS = {
    401: " Set {key}.",
    403: " The key in {key} has a role that may not do this.",
    404: " GET /v1/models lists what there is.",
}


def with_server(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--url`` and ``--api-key``, each also from the environment, and the server as ``remote``."""

    @wraps(command)
    def called(url: str, api_key: str | None, **options: Any) -> None:
        command(remote=Remote(url, api_key), **options)

    url_option = click.option(
        "--url",
        envvar="SLUICE_URL",
        default="http://127.0.0.1:8000",
        show_default=True,
        show_envvar=True,
        help="The running server.",
    )
    key_option = click.option("--api-key", envvar="SLUICE_API_KEY", show_envvar=True, help="Who asks.")
    return url_option(key_option(called))
