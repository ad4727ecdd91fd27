"""One pool of connections, and the attempts it takes to get an answer.

urllib3 and nothing around it: it keeps connections open, is safe between threads, is maintained and depends on nothing.
Its own retries are off, because they know no limit for all attempts together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import urllib3

from sluice_client.errors import Refused, SluiceError, TimedOut, Unreachable, UnreadableAnswer, class_for
from sluice_client.retries import RETRIED, Retries, read_retry_after


class Transport:
    """Sends JSON to one server and gets JSON back, or one of our errors."""

    def __init__(
        self, url: str, headers: Mapping[str, str], timeout: float, retries: Retries, connections: int
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = dict(headers)
        self._timeout = urllib3.Timeout(total=timeout)
        self._within = f"{timeout:g} s"
        self._retries = retries
        self._pool = urllib3.PoolManager(maxsize=connections, block=True, retries=False)

    def close(self) -> None:
        """Hang up."""
        self._pool.clear()

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        retries: Retries | None = None,
    ) -> Any:
        """The answer's JSON; asks again as ``retries``, else the client's own, have it.

        Raises:
            Refused, Unreachable, TimedOut, UnreadableAnswer
        """
        about = {"X-Request-ID": uuid4().hex, **self._headers, **(headers or {})}
        data = None if body is None else json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
        started, failures = monotonic(), 0
        while True:
            outcome = self._attempt(method, path, data, about)
            if not isinstance(outcome, SluiceError):
                return outcome
            failures += 1
            seconds = _wait(retries or self._retries, outcome, failures, monotonic() - started)
            if seconds is None:
                outcome.request_id = outcome.request_id or about["X-Request-ID"]
                raise outcome
            sleep(seconds)

    def _attempt(self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]) -> Any:
        """The answer, or the error that this attempt ended with."""
        about = headers if data is None else {**headers, "Content-Type": "application/json"}
        try:
            answer = self._pool.request(method, self._url + path, body=data, headers=about, timeout=self._timeout)
        except urllib3.exceptions.ReadTimeoutError:
            return TimedOut(f"no answer from {self._url} within {self._within}")
        except urllib3.exceptions.HTTPError as error:
            return Unreachable(f"{self._url} cannot be reached: {type(error).__name__}: {error}")
        return _read(answer)


def _wait(retries: Retries, error: SluiceError, failures: int, elapsed: float) -> float | None:
    if isinstance(error, Unreachable):
        return retries.wait(failures, elapsed)
    if isinstance(error, Refused) and error.status in RETRIED:
        return retries.wait(failures, elapsed, error.retry_after)
    return None


def _read(answer: urllib3.BaseHTTPResponse) -> Any:
    try:
        body = json.loads(answer.data)
    except ValueError:
        body = None
    if answer.status < 300 and body is not None:
        return body
    return _refusal(answer, body if isinstance(body, dict) else {})


def _refusal(answer: urllib3.BaseHTTPResponse, problem: Mapping[str, Any]) -> SluiceError:
    """A problem document as an error; what else answers with an error status (a proxy) has at least that."""
    if answer.status < 400:
        return UnreadableAnswer(f"status {answer.status} with something that is no JSON; is this a Sluice server?")
    return class_for(answer.status)(
        answer.status,
        str(problem.get("detail") or answer.reason or "refused"),
        str(problem.get("type", "")).rpartition(":")[2],
        problem.get("request_id") or answer.headers.get("X-Request-ID"),
        problem.get("errors"),
        read_retry_after(answer.headers.get("Retry-After")),
    )
