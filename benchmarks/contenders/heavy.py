"""Who serves the heavy model: ours with batching and without, and the rivals that batch."""

from collections.abc import Mapping

from benchmarks.contenders.contender import Contender
from benchmarks.contenders.servers import BESIDE, bentoml, litserve, mlserver
from benchmarks.contenders.sluice import sluice
from benchmarks.doors.dialects import Dialect
from benchmarks.doors.door import Door
from benchmarks.doors.http import HttpDoor
from benchmarks.workload import MODELS, Workload

MOST = 32
"""Rows that rivals may join: half of the connections, for there are two workers."""

ADAPTIVE = {
    "MLSERVER_MODEL_MAX_BATCH_SIZE": str(MOST),
    "MLSERVER_MODEL_MAX_BATCH_TIME": "0.005",
    **BESIDE,
}


def heavy(workload: Workload) -> tuple[Contender, ...]:
    """Each with 268 MB of weights in every worker."""
    never = f"models:\n  {MODELS['heavy'].name}:\n    batching: {{mode: off}}\n"
    alone = {"SLUICE_DEPLOYMENT_FILE": str(workload.deployment("heavy-alone", "heavy", never))}
    joined = {"SLUICE_DEPLOYMENT_FILE": str(workload.deployment("heavy", "heavy"))}
    rows = Dialect('{"instances":[', "]}", lambda answer: [row["probabilities"][1] for row in answer])
    batched: Mapping[str, Door] = {"one": HttpDoor("/predict_batched", rows)}
    return (
        sluice(workload, "heavy", "Sluice, batching by itself", joined, model="heavy"),
        sluice(workload, "heavy_alone", "Sluice, batching off", alone, model="heavy"),
        mlserver(workload, "heavy_mlserver", "MLServer, adaptive batching", ADAPTIVE, "heavy"),
        bentoml(workload, "heavy_bentoml", "BentoML, batchable route", "heavy", batched),
        litserve(workload, "heavy_litserve", f"LitServe, batches of {MOST}", "heavy", MOST),
    )
