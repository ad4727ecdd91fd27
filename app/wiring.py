"""Settings -> Services: the one place that constructs. To see what depends on what, read this top to bottom."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from threading import Event
from typing import Any

from app.cache.book import Plan
from app.cache.codec import Codec
from app.cache.memory import MemoryTier
from app.cache.redis import RedisTier
from app.cache.report import CacheReport
from app.cache.tiered import PredictionCache
from app.gate_wiring import build_audit, build_doorkeeping, build_gate, build_issuer, build_key_desk, check_gate
from app.gateway.audit import AuditLog
from app.gateway.issuer import Issuer
from app.gateway.keyring import Keyring
from app.journal.outcomes import Outcomes
from app.journal.shadow import Shadow
from app.metrics_wiring import build_access_log, build_observation, watch_models
from app.predictor import Predictor
from app.registry.announcements import Announcements
from app.registry.registry import Registry
from app.registry.repository import Repository
from app.registry.watch import Watch
from app.routing.conductor import Conductor
from app.routing.desk import TrafficDesk
from app.routing.router import Router
from app.runtimes.base import Runtime
from app.runtimes.batcher import Batcher
from app.runtimes.cpus import available_cpus
from app.runtimes.mapped import Layouts
from app.runtimes.onnx import VERSION as ENGINE
from app.runtimes.onnx import OnnxRuntime
from app.runtimes.sizing import BatchPlan
from app.services import Routing, Services
from app.state.base import State
from app.state.files import DocumentFiles
from app.state.link import RedisLink, check_url, connect
from app.state.memory import MemoryState
from app.state.redis import RedisState
from app.telemetry.logs import configure_logs, logger
from app.telemetry.metrics import Metrics
from config.deployment import CacheDeployment, Deployment, ModelDeployment, load_deployment
from config.invalid import ConfigInvalid
from config.prices import load_hourly_price
from config.settings import Settings


def build_services(settings: Settings) -> Services:
    """Construct everything a worker needs. Models are not read yet: ``Registry.load`` does that.

    Raises:
        ConfigInvalid: a file of the operator's has a mistake.
    """
    configure_logs(settings.log_level, settings.log_format)
    deployment = load_deployment(settings.deployment_file)
    link = _redis_link(settings)
    state: State = RedisState(link) if link else MemoryState(settings.data_dir)
    _warn_when_alone(settings, state)
    audit = build_audit(settings)
    issuer = build_issuer(settings)
    gate, keyring = build_gate(settings, state, link, audit, issuer)
    dependencies = _dependencies(link, audit, keyring, issuer)
    observation = build_observation(settings, dependencies)
    registry = _registry(settings, deployment, observation.metrics)
    watch_models(observation, registry)
    far = RedisTier(link, Codec(_cache_secret(settings))) if link else None
    cache = _cache(settings, deployment, far)
    kept = DocumentFiles(settings.data_dir / "known") if state.shared else None
    routing = _routing(registry, state, audit, kept, partial(observation.metrics.dropped, "shadow"))
    announcements = Announcements(state, registry, logger("sluice.registry"))
    return Services(
        address=f"http://{settings.bind}",
        registry=registry,
        announcements=announcements,
        watch=Watch(registry, announcements, settings.watch_models, logger("sluice.registry")),
        predictor=Predictor(registry, cache, routing.router, routing.outcomes, routing.shadow),
        routing=routing,
        cache_report=CacheReport(cache, state, load_hourly_price(settings.prices_file), far.holdings if far else None),
        gate=gate,
        keyring=keyring,
        key_desk=partial(build_key_desk, settings, link, audit),
        doorkeeping=build_doorkeeping(settings),
        dependencies=dependencies,
        observation=observation,
        closing=Event(),
        log=logger("sluice.api"),
        max_rows=settings.max_rows,
        max_body_bytes=settings.max_body_bytes,
        access_log=build_access_log(settings, observation.metrics) if settings.access_log else None,
        deployment_file=settings.deployment_file,
        timeouts={name: model.timeout_ms / 1000 for name, model in deployment.models.items() if model.timeout_ms},
    )


def _dependencies(
    link: RedisLink | None, audit: AuditLog, keyring: Keyring | None, issuer: Issuer | None
) -> dict[str, Callable[[], str]]:
    parts = {"audit": audit, "redis": link, "keys": keyring, "issuer": issuer}
    return {name: part.health for name, part in parts.items() if part}


def check_configuration(settings: Settings) -> None:
    """Read everything an operator wrote and throw it away: a server finds mistakes before it starts workers.

    Raises:
        ConfigInvalid: names the variable, or the file and key.
    """
    load_deployment(settings.deployment_file)
    load_hourly_price(settings.prices_file)
    check_gate(settings)
    _check_redis(settings.redis_url)


def _check_redis(url: str) -> None:
    """Otherwise a typing error would look like a Redis that is away for ever."""
    try:
        if url != "memory://":
            check_url(url)
    except ValueError as error:
        raise ConfigInvalid(f"SLUICE_REDIS_URL: the value cannot be used: {error}") from None


def inference_threads(settings: Settings) -> int:
    """Threads for onnxruntime in one worker: as configured, else this worker's share of the processors."""
    return settings.inference_threads or max(1, available_cpus() // settings.workers)


def _registry(settings: Settings, deployment: Deployment, metrics: Metrics) -> Registry:
    versions = {name: model.default_version for name, model in deployment.models.items() if model.default_version}
    return Registry(
        Repository(settings.models_dir),
        _Loading(inference_threads(settings), _layouts(settings), deployment, metrics),
        logger("sluice.registry"),
        deployment.default_model,
        versions,
    )


def _layouts(settings: Settings) -> Layouts:
    return Layouts(settings.data_dir / "mapped", settings.map_models_mb << 20, ENGINE, logger("sluice.runtimes"))


def _routing(
    registry: Registry, state: State, audit: AuditLog, kept: DocumentFiles | None, drop: Callable[[], None]
) -> Routing:
    outcomes, log = Outcomes(state), logger("sluice.routing")
    router = Router(state, log, kept)

    def note(action: str, by: str, model: str, **facts: object) -> None:
        audit.record(action, "allowed", by, "", model=model, **facts)

    desk = TrafficDesk(state, router, note)
    conductor = Conductor(state, router, desk, registry.digest, log)
    return Routing(router, outcomes, Shadow(registry, outcomes, log, drop), desk, conductor)


@dataclass(frozen=True, slots=True)
class _Loading:
    """What loading a model needs besides its files. See ``RuntimeLoader``."""

    threads: int
    layouts: Layouts
    deployment: Deployment
    metrics: Metrics

    def __call__(self, model: bytes, external: Mapping[str, bytes], name: str, digest: str = "") -> Runtime:
        chosen = self.deployment.models.get(name, ModelDeployment()).batching
        plan = BatchPlan(
            chosen.mode,
            chosen.max_batch_size,
            chosen.max_queue_delay_ms / 1000,
            chosen.latency_objective_ms / 1000,
            chosen.max_queue_ms / 1000,
            chosen.pool_size,
        )
        engine = OnnxRuntime(model, external, self.threads, self.layouts, digest)
        return Batcher(engine, plan, partial(self.metrics.batch, name))


def _cache(settings: Settings, deployment: Deployment, far: RedisTier | None) -> PredictionCache:
    plan = _plan if settings.cache else _no_plan
    plans = {name: plan(model.cache) for name, model in deployment.models.items() if model.cache}
    near = MemoryTier(settings.cache_max_entries, settings.cache_max_bytes)
    return PredictionCache(near, far, plans, plan(deployment.cache), f"onnxruntime {ENGINE}")


def _plan(cache: CacheDeployment) -> Plan:
    return Plan(cache.l1, cache.l2, cache.ttl)


def _no_plan(cache: CacheDeployment) -> Plan:
    return Plan("off", "off", cache.ttl)


def _cache_secret(settings: Settings) -> bytes:
    """The configured secret, else a fixed one: that still shows damage, and all machines on a Redis have the same."""
    if not settings.cache_secret:
        logger("sluice.cache").warning(
            "cache_secret_missing",
            effect="entries in redis are only checked for damage; set SLUICE_CACHE_SECRET against planted ones",
        )
    return settings.cache_secret.encode() or b"sluice"


def _redis_link(settings: Settings) -> RedisLink | None:
    if settings.redis_url == "memory://":
        return None
    credentials = _credentials(settings.redis_credentials) if settings.redis_credentials else None
    return RedisLink(partial(connect, settings.redis_url, settings.threads + 4, credentials), logger("sluice.redis"))


def _credentials(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        make: Callable[[], Any] = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigInvalid(f"SLUICE_REDIS_CREDENTIALS: {error}") from None
    return make()


def _warn_when_alone(settings: Settings, state: State) -> None:
    if settings.workers > 1 and not state.shared:
        logger("sluice.state").warning(
            "state_per_worker",
            workers=settings.workers,
            effect="each worker has its own cache and figures; set SLUICE_REDIS_URL",
        )
