"""Settings -> Services: the one place that constructs. To see what depends on what, read this top to bottom."""

from collections.abc import Mapping
from functools import partial

from app.predictor import Predictor
from app.registry.registry import Registry
from app.registry.repository import Repository
from app.runtimes.cpus import available_cpus
from app.runtimes.onnx import OnnxRuntime
from app.services import Services
from app.telemetry.logs import configure_logs, logger
from config.deployment import load_deployment
from config.settings import Settings


def build_services(settings: Settings) -> Services:
    """Construct everything a worker needs. Models are not read yet: ``Registry.load`` does that.

    Raises:
        DeploymentInvalid: the deployment file has a mistake.
    """
    configure_logs(settings.log_level, settings.log_format)
    deployment = load_deployment(settings.deployment_file)
    registry = Registry(
        Repository(settings.models_dir),
        partial(OnnxRuntime, threads=inference_threads(settings)),
        logger("sluice.registry"),
        deployment.default_model,
        _default_versions(deployment.models),
    )
    return Services(
        address=f"http://{settings.bind}",
        registry=registry,
        predictor=Predictor(registry),
        log=logger("sluice.api"),
        max_rows=settings.max_rows,
        max_body_bytes=settings.max_body_bytes,
        access_log=settings.access_log,
    )


def inference_threads(settings: Settings) -> int:
    """Threads for onnxruntime in one worker: as configured, else this worker's share of the processors."""
    return settings.inference_threads or max(1, available_cpus() // settings.workers)


def _default_versions(models: Mapping[str, object]) -> dict[str, str]:
    named = {name: getattr(model, "default_version", None) for name, model in models.items()}
    return {name: version for name, version in named.items() if version}
