"""Model servers that others have made, each in an environment of its own with a small service around the same file.

Their workers take a core each, as ours do, where the server starts a process for each worker.
"""

from collections.abc import Mapping
from typing import Any

from benchmarks.contenders.contender import HERE, RIVALS, WORKERS, Contender
from benchmarks.contenders.handwritten import of_rival
from benchmarks.doors.dialects import MANY, MLFLOW, ONE, V2
from benchmarks.doors.door import Door
from benchmarks.doors.grpc import GrpcDoor
from benchmarks.doors.h2load import H2loadDoor
from benchmarks.doors.http import HttpDoor
from benchmarks.environment import Environment
from benchmarks.workload import MODELS, Workload

BOTH: Mapping[str, Door] = {"one": HttpDoor("/predict", ONE), "many": HttpDoor("/predict_many", MANY)}
BESIDE = {"MLSERVER_PARALLEL_WORKERS": str(WORKERS)}
MLSERVER_PORTS = ("MLSERVER_HTTP_PORT", "MLSERVER_GRPC_PORT", "MLSERVER_METRICS_PORT")


def servers(workload: Workload) -> tuple[Contender, ...]:
    """Each with the small model."""
    known = MODELS["trees"].name
    grpc: Mapping[str, Door] = {"grpc": GrpcDoor(known), "grpc_same": H2loadDoor(known)}
    ports = ("MLSERVER_GRPC_PORT", "MLSERVER_HTTP_PORT", "MLSERVER_METRICS_PORT")
    return (
        mlserver(workload, "mlserver", "MLServer"),
        mlserver(workload, "mlserver_workers", "MLServer, two workers beside it", BESIDE),
        mlserver(workload, "mlserver_grpc", "MLServer over gRPC", doors=grpc, ports=ports),
        bentoml(workload, "bentoml", "BentoML"),
        litserve(workload, "litserve", "LitServe"),
        _azure(workload),
        _mlflow(workload),
    )


def mlserver(
    workload: Workload,
    name: str,
    title: str,
    more: Mapping[str, str] | None = None,
    model: str = "trees",
    doors: Mapping[str, Door] | None = None,
    ports: tuple[str, ...] = MLSERVER_PORTS,
) -> Contender:
    """With the model in its own process, unless ``more`` says otherwise."""
    known = MODELS[model].name
    http = HttpDoor(f"/v2/models/{known}/infer", V2)
    variables = {
        "MLSERVER_MODEL_NAME": known,
        "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_runtime.OnnxModel",
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_PARALLEL_WORKERS": "0",
        "MLSERVER_DEBUG": "false",
        "PYTHONPATH": ".",
        **(more or {}),
    }
    start = ("-c", "from mlserver.cli import main; main()", "start", ".")
    both = doors or {"one": http, "many": http, "v2": http}
    return _server(
        workload, name, title, "mlserver", model, command=start, doors=both, variables=variables, ports=ports
    )


def bentoml(workload: Workload, name: str, title: str, model: str = "trees", doors: Any = BOTH) -> Contender:
    """``bentoml serve``."""
    start = ("-m", "bentoml", "serve", "bentoml_service:Predictor", "--host", "127.0.0.1", "--port", "{port}")
    home = {"BENTOML_HOME": str(workload.folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    return _server(workload, name, title, "bentoml", model, command=start, doors=doors, variables=home)


def litserve(workload: Workload, name: str, title: str, model: str = "trees", batch: int = 1) -> Contender:
    """As many processes for HTTP as for the model, as it starts them by itself."""
    http: Mapping[str, Door] = {"one": HttpDoor("/predict", ONE), "many": HttpDoor("/predict", MANY)}
    parts: dict[str, Any] = {"command": ("litserve_api.py",), "doors": http, "variables": {"BENCH_BATCH": str(batch)}}
    return _server(workload, name, title, "litserve", model, **parts)


def _azure(workload: Workload) -> Contender:
    start = ("-m", "azureml_inference_server_http", "--entry_script", "azure_score.py")
    place = ("--port", "{port}", "--worker_count", str(WORKERS))
    http: Mapping[str, Door] = {"one": HttpDoor("/score", ONE), "many": HttpDoor("/score", MANY)}
    parts: dict[str, Any] = {"command": (*start, *place), "doors": http, "variables": {"AZUREML_MODEL_DIR": "."}}
    return _server(workload, "azure", "Azure ML inference server", "azure", **parts)


def _mlflow(workload: Workload) -> Contender:
    folder = str(workload.folder / "mlflow-model")
    local = ("--env-manager", "local", "--host", "127.0.0.1", "--port", "{port}", "--workers", str(WORKERS))
    http: Mapping[str, Door] = {"one": HttpDoor("/invocations", MLFLOW), "many": HttpDoor("/invocations", MLFLOW)}
    return _server(
        workload,
        "mlflow",
        "MLflow models serve, not pinned",
        "mlflow",
        command=("-m", "mlflow", "models", "serve", "--model-uri", folder, *local),
        doors=http,
        variables={"MLFLOW_TRACKING_URI": f"file:{workload.folder}/mlruns", "MLFLOW_DISABLE_TELEMETRY": "true"},
        prepare=("mlflow_model.py", folder),
    )


def _server(
    workload: Workload, name: str, title: str, environment: str, model: str = "trees", **parts: Any
) -> Contender:
    """``parts`` are the contender's own; its variables are added to those that the code under ``rivals/`` reads."""
    return Contender(
        name,
        title,
        model=model,
        folder=RIVALS,
        environment=Environment(f"bench-{environment}", HERE / "requirements" / f"{environment}.txt"),
        variables={**of_rival(workload, model, name), **parts.pop("variables")},
        **parts,
    )
