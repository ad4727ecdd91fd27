"""onnxruntime as the rest of the server sees it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from app.runtimes.base import RuntimeFailed, TensorSpec
from app.runtimes.onnx import OnnxRuntime
from tests.models import columns, everything, external, fragile, identity, linear
from tests.programs import ROOT

X = np.array([[1, 2]], dtype=np.float32)


def test_inputs_and_outputs_as_the_file_declares_them() -> None:
    runtime = OnnxRuntime(everything().model)
    assert [item.name for item in runtime.inputs] == ["X", "N", "city", "note"]
    assert runtime.inputs[0] == TensorSpec("X", "float32", (None, 5))
    assert [item.dtype for item in runtime.inputs] == ["float32", "int64", "string", "string"]
    assert [item.name for item in runtime.outputs] == ["Y", "T"]


def test_outputs_come_in_order() -> None:
    runtime = OnnxRuntime(columns().model)
    (answer,) = runtime.run({"city": np.array([["Bern"]], dtype=object), "age": np.array([[5]], dtype=np.float32)})
    assert answer.tolist() == [[7.0]]


@pytest.mark.parametrize("model", [b"", b"no model", linear().model[:100]])
def test_a_file_that_is_no_model(model: bytes) -> None:
    with pytest.raises(RuntimeFailed) as caught:
        OnnxRuntime(model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("location", ["/etc/hostname", "../weights", "weights", "README.md"])
def test_no_file_is_reached_from_a_model(location: str) -> None:
    with pytest.raises(RuntimeFailed):
        OnnxRuntime(external(location).model)


def _outside(location: str, name: str = "W") -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor


def _in_a_branch(location: str) -> onnx.GraphProto:
    answer = [helper.make_tensor_value_info("W", TensorProto.FLOAT, [4])]
    branch = helper.make_graph([], "branch", [], answer, initializer=[_outside(location)])
    yes = helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("", TensorProto.BOOL, [], [True]))
    return _graph(yes, helper.make_node("If", ["yes"], ["W"], then_branch=branch, else_branch=branch))


def _as_a_sparse_table(location: str) -> onnx.GraphProto:
    graph = _graph()
    graph.sparse_initializer.append(_sparse(_outside(location)))
    return graph


def _as_a_sparse_constant(location: str) -> onnx.GraphProto:
    return _graph(helper.make_node("Constant", [], ["W"], sparse_value=_sparse(_outside(location, ""))))


def _sparse(values: TensorProto) -> onnx.SparseTensorProto:
    indices = helper.make_tensor(f"{values.name}_at", TensorProto.INT64, [4], range(4))
    return onnx.SparseTensorProto(dims=[4], values=values, indices=indices)


def _graph(*nodes: onnx.NodeProto) -> onnx.GraphProto:
    """Adds the weights W, wherever they come from, to X."""
    row = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 4]) for name in ("X", "Y")]
    return helper.make_graph([*nodes, helper.make_node("Add", ["X", "W"], ["Y"])], "spy", row[:1], row[1:])


@pytest.mark.parametrize("hide", [_in_a_branch, _as_a_sparse_table, _as_a_sparse_constant])
@pytest.mark.parametrize("place", ["secret", "./var/secret", "{folder}/secret", "../{name}/secret"])
def test_no_file_of_the_working_directory_becomes_weights(
    hide: Callable[[str], onnx.GraphProto], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There lie the keys and their pepper, and a model answers with its weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "var").mkdir()
    for secret in ("secret", "var/secret"):
        (tmp_path / secret).write_bytes(np.arange(4, dtype=np.float32).tobytes())
    graph = hide(place.format(folder=tmp_path, name=tmp_path.name))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(RuntimeFailed):
        OnnxRuntime(model.SerializeToString())


def test_external_data_is_taken_from_memory() -> None:
    weights = np.array([1, 2, 3, 4], dtype=np.float32)
    runtime = OnnxRuntime(external("weights").model, {"weights": weights.tobytes()})
    assert runtime.run({"X": np.zeros((1, 4), np.float32)})[0].tolist() == [[1, 2, 3, 4]]


def test_what_the_engine_raises() -> None:
    with pytest.raises(RuntimeFailed, match="Gather"):
        OnnxRuntime(fragile().model).run({"X": np.array([[7]], dtype=np.float32)})
    with pytest.raises(RuntimeFailed, match="Got invalid dimensions"):
        OnnxRuntime(linear().model).run({"X": np.zeros((1, 3), np.float32)})


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 8, 9])
def test_a_fixed_batch_axis_is_served_in_pieces(rows: int) -> None:
    from_file = identity(2)
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Identity", ["X"], ["Y"])],
            "fixed",
            [helper.make_tensor_value_info("X", 1, [4, 2])],
            [helper.make_tensor_value_info("Y", 1, [4, 2])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    given = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    answers = [OnnxRuntime(data).run({"X": given})[0] for data in (model.SerializeToString(), from_file.model)]
    assert np.array_equal(answers[0], answers[1])


def test_telemetry_is_off_before_onnxruntime_is_imported() -> None:
    """Whichever of our modules comes first."""
    script = (
        "import os, sys, importlib\n"
        "for name in ('app.runtimes.onnx', 'app.factory'):\n"
        "    importlib.import_module(name)\n"
        "assert 'onnxruntime' in sys.modules\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'])\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
