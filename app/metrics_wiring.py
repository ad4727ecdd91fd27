"""Settings -> metrics and access log: the part of ``wiring`` that builds who is told what happens."""

from collections.abc import Callable, Mapping
from functools import partial

from app.registry.registry import Registry
from app.services import Observation
from app.state.ledger import Lines, open_accounts
from app.telemetry.access import AccessLog
from app.telemetry.logs import logger
from app.telemetry.metrics import Metrics, fan_out
from app.telemetry.prometheus import Prometheus, Reading
from app.telemetry.statsd import Statsd
from config.settings import Settings

Health = Callable[[], str]


def build_observation(settings: Settings, dependencies: Mapping[str, Health]) -> Observation:
    """Everyone who is told, and the gauges over what is built already."""
    prometheus = (
        Prometheus(settings.runtime_dir, open_accounts(settings.runtime_dir, "counted")) if settings.metrics else None
    )
    statsd = _statsd(settings, prometheus) if settings.statsd_host else None
    if prometheus:
        asked = dict(dependencies) | ({"statsd": statsd.health} if statsd else {})
        prometheus.watch("sluice_degraded", lambda: _degraded(asked))
    told: dict[str, Metrics | None] = {"prometheus": prometheus, "statsd": statsd}
    metrics = fan_out({name: one for name, one in told.items() if one}, logger("sluice.metrics"))
    return Observation(metrics, prometheus, statsd)


def watch_models(observation: Observation, registry: Registry) -> None:
    """Gauges over what is served."""
    if observation.prometheus:
        observation.prometheus.watch("sluice_model_served", lambda: _served(registry))
        observation.prometheus.watch("sluice_model_queue_rows", lambda: _queued(registry))


def build_access_log(settings: Settings, metrics: Metrics) -> AccessLog:
    """The access log; workers of one server see from each other which requests have their line."""
    return AccessLog(Lines(settings.runtime_dir), partial(metrics.dropped, "access_log"))


def _statsd(settings: Settings, prometheus: Prometheus | None) -> Statsd:
    def lost(count: int) -> None:
        if prometheus:
            prometheus.dropped("statsd", count)

    return Statsd((settings.statsd_host, settings.statsd_port), settings.statsd_prefix, settings.statsd_tags, lost)


def _degraded(dependencies: Mapping[str, Health]) -> Reading:
    return {(name,): float(ask() != "up") for name, ask in dependencies.items()}


def _served(registry: Registry) -> Reading:
    return {
        (model.name, version): float(state.served is not None)
        for model in registry.models.values()
        for version, state in model.versions.items()
    }


def _queued(registry: Registry) -> Reading:
    return {
        (model.name, version): float(state.served.queued_rows)
        for model in registry.models.values()
        for version, state in model.versions.items()
        if state.served
    }
