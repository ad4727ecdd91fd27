"""BentoML: one service; ``async`` methods, for a hand-over to its threads costs more than the small model.

The heavy model's route is batched by BentoML and therefore takes the thread pool.
"""

import os

import bentoml
import numpy as np
from core import take_core
from model import Model

WORKERS = int(os.environ["WEB_CONCURRENCY"])


@bentoml.service(workers=WORKERS, traffic={"timeout": 60, "max_concurrency": 256}, metrics={"enabled": True})
class Predictor:
    """Both routes of the small model, and the batched one."""

    def __init__(self) -> None:
        take_core()
        self.model = Model()

    @bentoml.api(route="/predict")
    async def predict(self, features: list[float]) -> dict:
        """One row."""
        return self.model.answer([features])[0]

    @bentoml.api(route="/predict_many")
    async def predict_many(self, instances: list[list[float]]) -> dict:
        """Many rows."""
        return {"predictions": self.model.answer(instances)}

    @bentoml.api(route="/predict_batched", batchable=True, max_batch_size=32, max_latency_ms=60_000)
    def predict_batched(self, instances: list[list[float]]) -> list[dict]:
        """Rows of several callers at once."""
        return self.model.answer(np.asarray(instances, dtype=np.float32))
