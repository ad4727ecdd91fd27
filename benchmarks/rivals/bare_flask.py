"""Rival (a): the barest honest Flask route around onnxruntime: no validation, request id, log or error handling."""

import os

import numpy as np
import onnxruntime as ort
from flask import Flask, jsonify, request

app = Flask(__name__)

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"])


@app.post("/predict")
def predict():
    """One row: ``{"features": [...]}``."""
    rows = np.asarray([request.get_json()["features"]], dtype=np.float32)
    labels, probabilities = session.run(None, {"X": rows})
    return jsonify(label=labels[0].item(), probabilities=probabilities[0].tolist())


@app.post("/predict_many")
def predict_many():
    """Many rows: ``{"instances": [[...], ...]}``."""
    rows = np.asarray(request.get_json()["instances"], dtype=np.float32)
    labels, probabilities = session.run(None, {"X": rows})
    pairs = zip(labels.tolist(), probabilities.tolist(), strict=True)
    return jsonify(predictions=[{"label": label, "probabilities": shares} for label, shares in pairs])
