"""The client: one object per server, to be kept and shared between threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar, overload
from urllib.parse import quote, urlsplit

from sluice_client.answers import Prediction, Predictions, read_many, read_one
from sluice_client.batch import in_parts
from sluice_client.bodies import Entity, by_column, many_rows, one_row, part_of, row_count
from sluice_client.errors import Unavailable, UnreadableAnswer
from sluice_client.progress import ProgressLine
from sluice_client.retries import NEVER, Retries
from sluice_client.transport import Transport

Answer = TypeVar("Answer")

_BULK = {"X-Priority": "bulk"}
_LONGEST_S = 3600.0
"""The latest deadline that the server takes."""


class Client:
    """Predictions from the server at ``url``.

    ``timeout`` are seconds for one attempt; how often and how long it is asked again is said by ``retries``.
    ``connections`` is how many stay open, and how many threads can ask at a time.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        bearer: str | None = None,
        timeout: float = 10.0,
        retries: Retries | None = None,
        connections: int = 8,
    ) -> None:
        if not url.lower().startswith(("http://", "https://")) or not urlsplit(url).hostname:
            raise ValueError(f"{url!r} is no address of a server; write http://host:port or https://host")
        if api_key and bearer:
            raise ValueError("give an API key or a bearer token, not both")
        headers = {"X-Request-Timeout": f"{min(timeout, _LONGEST_S):.3f}", "User-Agent": "sluice-client"}
        if api_key:
            headers["X-API-Key"] = api_key
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        self._connections = connections
        self._transport = Transport(url, headers, timeout, retries or Retries(), connections)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; the client cannot be used afterwards."""
        self._transport.close()

    @overload
    def predict(
        self,
        model: str | None,
        features: Any,
        *,
        version: str | None = None,
        entity: Entity | None = None,
        cache_control: str | None = None,
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        model: str | None,
        *,
        instances: Any,
        version: str | None = None,
        entity: Entity | None = None,
        cache_control: str | None = None,
    ) -> Predictions: ...

    @overload
    def predict(
        self,
        model: str | None,
        *,
        columns: Any,
        version: str | None = None,
        entity: Entity | None = None,
        cache_control: str | None = None,
    ) -> Predictions: ...

    def predict(
        self,
        model: str | None,
        features: Any = None,
        *,
        instances: Any = None,
        columns: Any = None,
        version: str | None = None,
        entity: Entity | None = None,
        cache_control: str | None = None,
    ) -> Prediction | Predictions:
        """Predict one row (``features``) or several (``instances``, ``columns``).

        Args:
            model: its name; None for the server's default model.
            features: one row: a mapping, a list in the model's order, a numpy array, a pandas Series.
            instances: rows: a list of those, a two-dimensional numpy array, a pandas DataFrame.
            columns: one list, array or Series of values per feature; a DataFrame is such a mapping.
            version: the server's choice when left out.
            entity: whom the rows are about: the model's name for it, and an id or one per row. Comes back in ``more``.
            cache_control: ``no-store``, ``no-cache`` or ``max-age=...``, as HTTP has it.

        Raises:
            SluiceError: see ``sluice_client.errors``; ``InvalidInput`` names the fields.
        """
        given = [item for item in (features, instances, columns) if item is not None]
        if len(given) != 1:
            raise TypeError("give exactly one of features, instances and columns")
        headers = {"Cache-Control": cache_control} if cache_control else {}
        if features is not None:
            return self._ask(model, version, one_row(features, entity), headers, read_one)
        body = many_rows(instances, entity) if columns is None else by_column(columns, entity)
        return self._ask(model, version, body, headers, read_many)

    def predict_batch(
        self,
        model: str | None,
        rows: Any,
        *,
        batch_size: int = 1000,
        parallel: int | None = None,
        progress: bool | Callable[[int, int], object] = False,
        version: str | None = None,
    ) -> Predictions:
        """Predict any number of rows, ``batch_size`` in a request, ``parallel`` requests at a time.

        The requests say that they are in no hurry (``X-Priority: bulk``), and go on after a refusal as ``retries`` has
        it. ``progress`` True writes to stderr; a function is called with the rows done and the rows in all.

        Raises:
            BatchFailed: with the predictions before the part that failed, and the reason as its cause.
        """
        if batch_size < 1 or (parallel is not None and parallel < 1):
            raise ValueError("batch_size and parallel must be at least 1")
        tell = ProgressLine() if progress is True else progress or None

        def ask(start: int, stop: int) -> Predictions:
            return self._ask(model, version, many_rows(part_of(rows, start, stop), None), _BULK, read_many)

        return in_parts(ask, row_count(rows), batch_size, min(parallel or 4, self._connections), tell)

    def models(self) -> Sequence[Mapping[str, Any]]:
        """Every model of the server and its versions."""
        listed: Sequence[Mapping[str, Any]] = self._transport.ask("GET", "/v1/models")["models"]
        return listed

    def model(self, name: str) -> Mapping[str, Any]:
        """One model: its features, their ranges, and a body that predicts as it stands."""
        described: Mapping[str, Any] = self._transport.ask("GET", f"/v1/models/{quote(name, safe='')}")
        return described

    def ready(self) -> bool:
        """Whether the server says that it can predict. Never raises for a server that says no."""
        try:
            health: Mapping[str, Any] = self._transport.ask("GET", "/health", retries=NEVER)
        except Unavailable:
            return False
        return bool(health.get("model_loaded"))

    def _ask(
        self,
        model: str | None,
        version: str | None,
        body: Mapping[str, Any],
        headers: Mapping[str, str],
        read: Callable[[Mapping[str, Any]], Answer],
    ) -> Answer:
        answer = self._transport.ask("POST", _path(model, version), body, headers)
        try:
            return read(answer)
        except (KeyError, TypeError) as error:
            raise UnreadableAnswer(f"the answer lacks {error}; is this a Sluice server?") from None


def _path(model: str | None, version: str | None) -> str:
    if model is None:
        if version is not None:
            raise TypeError("a version belongs to a model; name the model too")
        return "/predict"
    path = f"/v1/models/{quote(model, safe='')}"
    return f"{path}/predict" if version is None else f"{path}/versions/{quote(version, safe='')}/predict"
