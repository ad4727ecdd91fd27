"""A model that answers what another answers and takes as long as one wishes: the other one, run again and again."""

from time import perf_counter
from typing import Any

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper, load_from_string, numpy_helper

_TRIAL_TURNS = 50


def slowed_down(model: bytes, row: Any, seconds: float) -> bytes:
    """The model inside of a loop whose turns take about that long together; the last turn's answer counts."""
    a_turn = _seconds(_looped(model, _TRIAL_TURNS), row) / _TRIAL_TURNS
    return _looped(model, max(1, round(seconds / a_turn)))


def _looped(model: bytes, turns: int) -> bytes:
    given = load_from_string(model)
    graph = _renamed(given).graph
    yes = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("go", "goes")]
    turn = helper.make_tensor_value_info("turn", TensorProto.INT64, [])
    nodes = [helper.make_node("Identity", ["go"], ["goes"]), *graph.node]
    body = helper.make_graph(nodes, "again", [turn, yes[0]], [yes[1], *graph.output], list(graph.initializer))
    names = [item.name for item in given.graph.output]
    loop = helper.make_node("Loop", ["turns", ""], [f"every_{name}" for name in names], body=body)
    picks = [helper.make_node("Gather", [f"every_{name}", "last"], [name], axis=0) for name in names]
    tables = [
        numpy_helper.from_array(np.array(value, dtype=np.int64), name)
        for name, value in (("turns", turns), ("last", -1))
    ]
    outer = helper.make_graph([loop, *picks], graph.name, list(given.graph.input), list(given.graph.output), tables)
    made: ModelProto = helper.make_model(outer, opset_imports=given.opset_import, ir_version=given.ir_version)
    return made.SerializeToString()


def _renamed(model: ModelProto) -> ModelProto:
    """A copy whose every name but the inputs' is another, for a loop's body shares names with what is around it."""
    copy = ModelProto()
    copy.CopyFrom(model)
    outside = {item.name for item in copy.graph.input} | {""}
    for node in copy.graph.node:
        for names in (node.input, node.output):
            names[:] = [name if name in outside else f"turn_{name}" for name in names]
    for output in copy.graph.output:
        output.name = f"turn_{output.name}"
    for table in copy.graph.initializer:
        table.name = f"turn_{table.name}"
    return copy


def _seconds(model: bytes, row: Any) -> float:
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: row}
    session.run(None, feed)
    started = perf_counter()
    session.run(None, feed)
    return perf_counter() - started
