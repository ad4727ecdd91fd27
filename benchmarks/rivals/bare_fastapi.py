"""Rival (b): a hand-written FastAPI route with a pydantic model around onnxruntime, served by uvicorn."""

import os
from typing import Annotated

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pinned_uvicorn import run
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


if __name__ == "__main__":
    run(app)
