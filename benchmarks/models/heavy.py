"""The heavy model: 20 numbers spread over 4,096, four layers of 4,096 by 4,096, two classes. 268 MB of weights.

One row is as much reading of memory as many are, so rows that run together cost little more than one.
"""

from itertools import pairwise

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from app.registry.manifest import Manifest
from benchmarks.models.described import described
from benchmarks.rows import FEATURES, SEED, rows_like

WIDTH = 4096
LAYERS = 4
NAME = "heavy-net"


def heavy() -> tuple[Manifest, bytes]:
    """Its manifest and its file."""
    model = _file()
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    row = rows_like(1)
    return described(NAME, model, row[0], session.run(["probabilities"], {"X": row})[0][0].tolist()), model


def _file() -> bytes:
    sizes = [FEATURES, *[WIDTH] * (LAYERS + 1), 2]
    weights = [_weights(at, *pair) for at, pair in enumerate(pairwise(sizes))]
    tables = [numpy_helper.from_array(weight, f"w{at}") for at, weight in enumerate(weights)]
    nodes, flow = [], "X"
    for at in range(len(tables)):
        nodes.append(helper.make_node("MatMul", [flow, f"w{at}"], [f"m{at}"]))
        flow = f"m{at}"
        if at < len(tables) - 1:
            nodes.append(helper.make_node("Relu", [flow], [f"r{at}"]))
            flow = f"r{at}"
    nodes.append(helper.make_node("Softmax", [flow], ["probabilities"], axis=1))
    nodes.append(helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0))
    graph = helper.make_graph(
        nodes,
        NAME,
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["rows", FEATURES])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["rows"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 2]),
        ],
        tables,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(made.SerializeToString())


def _weights(seed: int, rows: int, columns: int) -> NDArray[np.float32]:
    """Of a size at which a layer neither silences nor blows up what passes through it."""
    scale = np.float32(np.sqrt(2 / rows))
    return np.random.default_rng(SEED + seed).standard_normal((rows, columns), dtype=np.float32) * scale
