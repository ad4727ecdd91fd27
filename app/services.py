"""What the doors may use, built once by ``wiring`` and found here by request code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, cast

from flask import current_app

from app.cache.report import CacheReport
from app.gateway.addresses import Network
from app.gateway.caller import Caller
from app.gateway.gate import Gate
from app.gateway.key_desk import KeyDesk
from app.gateway.keyring import Keyring
from app.predictor import Predictor, Warmed
from app.registry.registry import Registry
from app.telemetry.access import AccessLog
from app.telemetry.metrics import Metrics
from app.telemetry.prometheus import Prometheus
from app.telemetry.statsd import Statsd
from app.tensors import Prediction, Request, row_count

EXTENSION = "sluice"


@dataclass(frozen=True, slots=True)
class Doorkeeping:
    """What a door must know of the world outside it."""

    trusted_networks: Sequence[Network] = ()
    trust_socket: bool = False
    cors_origins: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """Where events are told (``metrics``), and the observers behind it as far as they are on."""

    metrics: Metrics
    prometheus: Prometheus | None
    statsd: Statsd | None

    def start(self) -> None:
        """Start the observers' threads, in the worker."""
        for observer in (self.prometheus, self.statsd):
            if observer is not None:
                observer.start()


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of the API and of the commands, and the few limits they enforce themselves.

    ``address`` is where this server listens, for printed examples. ``closing`` is set when the server ends, while it
    still answers. ``access_log`` is None when it is off.
    """

    address: str
    registry: Registry
    predictor: Predictor
    cache_report: CacheReport
    gate: Gate
    keyring: Keyring | None
    key_desk: Callable[[], KeyDesk]
    doorkeeping: Doorkeeping
    dependencies: Mapping[str, Callable[[], str]]
    observation: Observation
    closing: Event
    log: Any
    max_rows: int
    max_body_bytes: int
    access_log: AccessLog | None

    @property
    def metrics(self) -> Metrics:
        """Where to tell what happened."""
        return self.observation.metrics

    def start(self) -> None:
        """What each process does before it takes requests: read and verify every model, start what runs beside."""
        self.registry.load()
        if self.keyring is not None:
            self.keyring.start()
        self.cache_report.start()
        self.observation.start()

    def predict(self, request: Request, caller: Caller) -> Prediction:
        """Charge the caller for the rows, then predict: what every door does.

        Raises:
            Forbidden, QuotaExceeded: before anything is computed.
            ModelNotFound, VersionNotFound, ModelNotReady, InvalidInput, ModelFailed: see ``Predictor.predict``.
        """
        self.gate.charge_rows(caller, request.model, row_count(request.instances))
        return self.predictor.predict(request)

    def warm(self, request: Request, caller: Caller) -> Warmed:
        """The same for rows that are to be remembered.

        Raises:
            See ``predict``.
        """
        self.gate.charge_rows(caller, request.model, row_count(request.instances))
        return self.predictor.warm(request)


def services() -> Services:
    """The services of the application that handles the current request."""
    return cast(Services, current_app.extensions[EXTENSION])
