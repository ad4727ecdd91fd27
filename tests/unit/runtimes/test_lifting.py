"""Large weights taken out of a model's file: it answers the same, and whatever is no such model is left alone."""

from itertools import pairwise

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from app.runtimes.base import RuntimeFailed
from app.runtimes.lifting import LARGE, NAME, lifted
from app.runtimes.onnx import OnnxRuntime
from tests.models import heavy, linear

MODEL = heavy(1.2).model


def layered(widths: list[int]) -> bytes:
    """A chain of matrix products, each of weights of its own, and a small bias at the end."""
    dice = np.random.default_rng(3)
    names = [f"W{at}" for at in range(len(widths) - 1)]
    tables = [
        numpy_helper.from_array(dice.standard_normal(pair, dtype=np.float32) / 100, name)
        for name, pair in zip(names, pairwise(widths), strict=True)
    ]
    tables.append(numpy_helper.from_array(np.ones(widths[-1], dtype=np.float32), "B"))
    places = ["X", *(f"H{at}" for at in range(len(names)))]
    nodes = [helper.make_node("MatMul", [places[at], name], [places[at + 1]]) for at, name in enumerate(names)]
    nodes.append(helper.make_node("Add", [places[-1], "B"], ["Y"]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, width])
        for name, width in (("X", widths[0]), ("Y", widths[-1]))
    ]
    graph = helper.make_graph(nodes, "layers", ends[:1], ends[1:], tables)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("widths", [[600, 700, 500, 3], [1024, 256, 2], [30, 40_000, 1]])
def test_a_lifted_model_answers_the_same(widths: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    model = layered(widths)
    rows = {"X": np.random.default_rng(1).standard_normal((5, widths[0]), dtype=np.float32)}
    ours = OnnxRuntime(model).run(rows)
    monkeypatch.setattr("app.runtimes.onnx.lifted", lambda _: None)
    assert ours[0].tobytes() == OnnxRuntime(model).run(rows)[0].tobytes()


def test_only_large_weights_are_lifted_and_said_to_lie_where_they_are() -> None:
    model = layered([600, 700, 500, 3])
    small = lifted(model)
    assert small is not None
    assert len(small) < 10_000
    tables = {table.name: table for table in onnx.load_model_from_string(small).graph.initializer}
    original = {table.name: table for table in onnx.load_model_from_string(model).graph.initializer}
    assert {name for name, table in tables.items() if table.external_data} == {"W0", "W1"}
    for name in ("W0", "W1"):
        said = {entry.key: entry.value for entry in tables[name].external_data}
        start, length = int(said["offset"]), int(said["length"])
        assert said["location"] == NAME
        assert model[start : start + length] == original[name].raw_data
        assert (tables[name].dims, tables[name].data_type) == (original[name].dims, original[name].data_type)
    assert tables["W2"] == original["W2"]


def test_a_small_model_is_left_as_it_is() -> None:
    assert lifted(linear().model) is None


def test_weights_that_lie_elsewhere_stay_there() -> None:
    model = onnx.load_model_from_string(heavy(2).model)
    model.graph.initializer[0].external_data.add(key="location", value="elsewhere")
    assert lifted(model.SerializeToString()) is None


@pytest.mark.parametrize("location", ["model.onnx", "lifted-0000000000000000", "/etc/passwd"])
def test_a_file_cannot_name_what_was_lifted(location: str) -> None:
    """Its other weights are said to lie in a file, which is refused as ever."""
    model = onnx.load_model_from_string(heavy(2).model)
    bias = next(table for table in model.graph.initializer if table.name == "B")
    bias.ClearField("raw_data")
    bias.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "4")):
        bias.external_data.add(key=key, value=value)
    assert lifted(model.SerializeToString()) is not None
    with pytest.raises(RuntimeFailed):
        OnnxRuntime(model.SerializeToString())


@settings(max_examples=300)
@given(st.binary(max_size=200), st.integers(0, 100))
def test_what_is_no_model_is_nobodys_to_lift(noise: bytes, at: int) -> None:
    assert lifted(noise) is None
    damaged = MODEL[:at] + noise + MODEL[at + len(noise) :]
    small = lifted(damaged)
    assert small is None or len(small) < len(damaged)


def test_a_model_that_is_cut_short_is_refused_as_before() -> None:
    for size in (LARGE, len(MODEL) // 2 + LARGE // 2, len(MODEL) - 1):
        with pytest.raises(RuntimeFailed):
            OnnxRuntime(MODEL[:size])
