"""Rival (b): a hand-written FastAPI route with a pydantic model around onnxruntime, served by uvicorn.

Started as a program it runs WEB_CONCURRENCY processes, each pinned to a core and each with its own listening socket
(SO_REUSEPORT): the two advantages the gunicorn servers have, so that the difference measured is not theirs.
"""

import multiprocessing
import os
import signal
import socket
import sys
from typing import Annotated

import numpy as np
import onnxruntime as ort
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, Field

app = FastAPI()

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"])

Row = Annotated[list[float], Field(min_length=20, max_length=20)]


class OneRow(BaseModel):
    """``{"features": [...]}``."""

    features: Row


class ManyRows(BaseModel):
    """``{"instances": [[...], ...]}``."""

    instances: list[Row]


class Answer(BaseModel):
    """A row's answer. As a declared return type pydantic writes it: the fastest way that FastAPI documents."""

    label: int
    probabilities: list[float]


class Answers(BaseModel):
    """The answers of many rows."""

    predictions: list[Answer]


@app.post("/predict")
async def predict(body: OneRow) -> Answer:
    """``async def``: a plain ``def`` pays a hand-over to a thread that costs more than the model."""
    labels, probabilities = session.run(None, {"X": np.asarray([body.features], dtype=np.float32)})
    return Answer(label=labels[0], probabilities=probabilities[0].tolist())


@app.post("/predict_many")
async def predict_many(body: ManyRows) -> Answers:
    """Many rows in one request. Mappings, not ``Answer`` objects: pydantic makes those of them faster than Python."""
    labels, probabilities = session.run(None, {"X": np.asarray(body.instances, dtype=np.float32)})
    pairs = zip(labels.tolist(), probabilities.tolist(), strict=True)
    return Answers(predictions=[{"label": label, "probabilities": shares} for label, shares in pairs])


class Columns(BaseModel):
    """The same answers as two lists: less to make and less to write, for callers who can use them so."""

    labels: list[int]
    probabilities: list[list[float]]


@app.post("/predict_columns")
async def predict_columns(body: ManyRows) -> Columns:
    """Many rows in one request, answered in columns: the fastest this route can be made."""
    labels, probabilities = session.run(None, {"X": np.asarray(body.instances, dtype=np.float32)})
    return Columns(labels=labels.tolist(), probabilities=probabilities.tolist())


def serve(core: int, port: int) -> None:
    """One process on one core."""
    os.sched_setaffinity(0, {core})
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    config = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    cores = sorted(os.sched_getaffinity(0))
    workers = [
        multiprocessing.Process(target=serve, args=(cores[k % len(cores)], int(os.environ["PORT"])), daemon=True)
        for k in range(int(os.environ["WEB_CONCURRENCY"]))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
