"""LitServe: decode, predict, encode; ``BENCH_BATCH`` rows of several callers at once when that is above 1."""

import os

import litserve
import numpy as np
from core import take_core
from model import Model

WORKERS = int(os.environ["WEB_CONCURRENCY"])
BATCH = int(os.environ.get("BENCH_BATCH", "1"))


class Single(litserve.LitAPI):
    """One request at a time: a row under ``features`` or rows under ``instances``."""

    def setup(self, device):
        """Once in each worker."""
        take_core()
        self.model = Model()

    def decode_request(self, request):
        """Rows, and whether it is one."""
        return request

    def predict(self, request):
        """The model's answers."""
        if "features" in request:
            return self.model.answer([request["features"]])[0]
        return {"predictions": self.model.answer(request["instances"])}

    def encode_response(self, answers):
        """As they are."""
        return answers


class Batched(Single):
    """Rows of several callers."""

    def batch(self, requests):
        """One array."""
        return np.asarray([request["features"] for request in requests], dtype=np.float32)

    def predict(self, rows):
        """The model's answers."""
        return self.model.answer(rows)

    def unbatch(self, answers):
        """To each caller its own."""
        return answers


if __name__ == "__main__":
    api = Batched(max_batch_size=BATCH, batch_timeout=0.005) if BATCH > 1 else Single()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=WORKERS, timeout=60)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=WORKERS,
        generate_client_file=False,
        log_level="warning",
    )
