"""What the doors may use, built once by ``wiring`` and found here by request code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any, cast

from flask.globals import _cv_app

from app import deadlines
from app.cache.report import CacheReport
from app.gateway.addresses import Network
from app.gateway.caller import Caller
from app.gateway.gate import Gate
from app.gateway.key_desk import KeyDesk
from app.gateway.keyring import Keyring
from app.journal.outcomes import Outcomes
from app.journal.shadow import Shadow
from app.predictor import Predictor, Warmed
from app.registry.announcements import Announcements
from app.registry.registry import Registry
from app.registry.watch import Watch
from app.routing.conductor import Conductor
from app.routing.desk import TrafficDesk
from app.routing.router import Router
from app.telemetry.access import AccessLog
from app.telemetry.metrics import Metrics
from app.telemetry.prometheus import Prometheus
from app.telemetry.statsd import Statsd
from app.tensors import Prediction, Request, first_entity, row_count

EXTENSION = "sluice"


@dataclass(frozen=True, slots=True)
class Doorkeeping:
    """What a door must know of the world outside it."""

    trusted_networks: Sequence[Network] = ()
    trust_socket: bool = False
    cors_origins: Sequence[str] = ()
    request_timeout_s: float | None = None


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
class Routing:
    """Which version answers, and what becomes known of each while it does."""

    router: Router
    outcomes: Outcomes
    shadow: Shadow
    desk: TrafficDesk
    conductor: Conductor

    def start(self) -> None:
        """Start the threads, in the worker."""
        self.router.start()
        self.outcomes.start()
        self.shadow.start()
        self.conductor.start()


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of the API and of the commands, and the few limits they enforce themselves.

    ``address`` is where this server listens, for printed examples. ``closing`` is set when the server ends, while it
    still answers. ``access_log`` is None when it is off. ``timeouts`` are seconds by model, for callers that name none.
    ``deployment_file`` is for commands that change it.
    """

    address: str
    registry: Registry
    announcements: Announcements
    watch: Watch
    predictor: Predictor
    routing: Routing
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
    timeouts: Mapping[str, float]
    deployment_file: Path

    @property
    def metrics(self) -> Metrics:
        """Where to tell what happened."""
        return self.observation.metrics

    def start(self, seat: int | None = None) -> None:
        """What each process does before it takes requests: read and verify every model, start what runs beside.

        ``seat`` is its place among the workers of one server.
        """
        if seat is not None:
            self.gate.settle(seat)
        self.watch.remember()
        self.registry.load()
        self.watch.start()
        if self.keyring is not None:
            self.keyring.start()
        self.cache_report.start()
        self.routing.start()
        self.observation.start()

    def steered(self, request: Request, header: Callable[[str], str | None], entity: Any = None) -> Request:
        """The request with what its headers and rows say about the version.

        ``header`` looks one up by its lower-case name; ``entity`` is whom the first row is about, where the door has
        taken that out of the rows. Whoever may predict may name a version: it is no more than the address allows.
        """
        if request.version is None and (override := header("x-model-version")):
            return replace(request, version=override, override=True)
        unit = self.routing.router.unit(request.model, lambda: self._entity(request, entity), header)
        return request if unit is None else replace(request, unit=unit)

    def _entity(self, request: Request, entity: Any) -> str | None:
        served = self.registry.model(request.model).served
        if entity is None and served is not None and served.manifest.entity_key:
            entity = first_entity(request.instances, served.manifest.entity_key)
        return None if entity is None else str(entity)

    def predict(self, request: Request, caller: Caller) -> Prediction:
        """Charge the caller for the rows, then predict: what every door does.

        Raises:
            Forbidden, QuotaExceeded: before anything is computed.
            ModelNotFound, VersionNotFound, ModelNotReady, InvalidInput, ModelFailed: see ``Predictor.predict``.
        """
        self._bound(request.model)
        self.gate.charge_rows(caller, request.model, row_count(request.instances))
        return self.predictor.predict(request)

    def warm(self, request: Request, caller: Caller) -> Warmed:
        """The same for rows that are to be remembered.

        Raises:
            See ``predict``.
        """
        self._bound(request.model)
        self.gate.charge_rows(caller, request.model, row_count(request.instances))
        return self.predictor.warm(request)

    def _bound(self, model: str) -> None:
        """The model's own deadline, where the caller has none."""
        seconds = self.timeouts.get(model)
        if seconds is not None:
            deadlines.default(seconds)
            deadlines.check()


def services() -> Services:
    """The services of the application that handles the current request."""
    return cast(Services, _cv_app.get().app.extensions[EXTENSION])
