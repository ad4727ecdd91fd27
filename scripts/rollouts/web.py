"""Files from an http(s) address that the operator configured: bounded in size, whole, and from nowhere else."""

import base64
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

TIMEOUT_S = 60.0


class DownloadFailed(Exception):
    """It is not there, or is not what it should be."""


class _Staying(HTTPRedirectHandler):
    """A redirect ends as the error it then is: credentials are for the address that was configured."""

    def redirect_request(self, *_: Any) -> None:
        """See ``HTTPRedirectHandler``: None follows nothing."""


class Website:
    """One address. ``headers`` go with every request."""

    def __init__(self, base: str, headers: Mapping[str, str] | None = None) -> None:
        self.base = base.rstrip("/")
        self._headers = dict(headers or {})
        self._open = build_opener(_Staying).open

    def get(self, path: str, limit: int, query: Mapping[str, str] | None = None) -> bytes:
        """The body of an answer of at most ``limit`` bytes.

        Raises:
            DownloadFailed: there is none, it is larger, or it ended early.
        """
        url = f"{self.base}/{quote(path)}" + (f"?{urlencode(query)}" if query else "")
        request = Request(url, headers=self._headers)  # noqa: S310 - the operator's own address
        try:
            with self._open(request, timeout=TIMEOUT_S) as answer:
                length, data = answer.length, answer.read(limit + 1)
        except HTTPError as error:
            with error:
                raise DownloadFailed(f"{path}: {_told(error)}") from None
        except (URLError, HTTPException, OSError, ValueError) as error:
            raise DownloadFailed(f"{path} at {self.base}: {getattr(error, 'reason', error)}") from None
        if len(data) > limit:
            raise DownloadFailed(f"{path} is larger than {limit} bytes")
        if length is not None and len(data) != length:
            raise DownloadFailed(f"{path} ended after {len(data)} of {length} bytes")
        return bytes(data)


def _told(error: HTTPError) -> str:
    elsewhere = error.headers.get("Location", "") if 300 <= error.code < 400 else ""
    return f"{error.code} {error.reason}" + (f"; it is at {elsewhere}, name that address" if elsewhere else "")


def credentials(environ: Mapping[str, str]) -> dict[str, str]:
    """The header for the login that MLflow's own clients use, from the variables that they read."""
    token, user = environ.get("MLFLOW_TRACKING_TOKEN"), environ.get("MLFLOW_TRACKING_USERNAME")
    if user:
        pair = f"{user}:{environ.get('MLFLOW_TRACKING_PASSWORD', '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}
