"""What a file says of itself: labels where the outputs come from, words, weights kept elsewhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.registry.intake.graph import read_graph
from app.registry.intake.options import IntakeRefused
from tests.models import columns, external


def model(nodes: Sequence[Any], output: str, tables: Sequence[Any] = (), version: str = "1") -> bytes:
    made = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info(output, TensorProto.INT64, [None])],
        list(tables),
    )
    return bytes(helper.make_model(made, producer_name="hand", producer_version=version).SerializeToString())


def linear(attribute: str, labels: Sequence[Any], outputs: Sequence[str]) -> Any:
    return helper.make_node(
        "LinearClassifier", ["X"], list(outputs), domain="ai.onnx.ml", coefficients=[1.0, 2.0], **{attribute: labels}
    )


@pytest.mark.parametrize(
    ("attribute", "labels"), [("classlabels_ints", (3, 5)), ("classlabels_strings", ("no", "yes"))]
)
def test_labels_of_the_node_behind_the_output(attribute: str, labels: tuple[Any, ...]) -> None:
    nodes = [linear(attribute, labels, ["found", "scores"]), helper.make_node("Identity", ["found"], ["label"])]
    assert read_graph(model(nodes, "label")).labels == labels


def test_labels_of_an_inner_classifier_are_not_those_of_the_model() -> None:
    nodes = [
        linear("classlabels_ints", [0, 1], ["inner", "scores"]),
        helper.make_node("ArgMax", ["scores"], ["index"]),
        helper.make_node("ArrayFeatureExtractor", ["classes", "index"], ["label"], domain="ai.onnx.ml"),
    ]
    classes = numpy_helper.from_array(np.array([b"cat", b"dog"], dtype=object), "classes")
    assert read_graph(model(nodes, "label", [classes])).labels == ("cat", "dog")
    assert read_graph(model(nodes[:2], "index")).labels == ()


def test_numbers_that_an_argmax_does_not_choose_among_are_no_labels() -> None:
    nodes = [helper.make_node("ArrayFeatureExtractor", ["table", "X"], ["label"], domain="ai.onnx.ml")]
    table = numpy_helper.from_array(np.array([1, 2]), "table")
    assert read_graph(model(nodes, "label", [table])).labels == ()


def test_words_and_the_producer() -> None:
    assert read_graph(columns().model).words == (("Oslo", "Bern"),)
    argmax = [helper.make_node("ArgMax", ["X"], ["label"])]
    assert read_graph(model(argmax, "label")).producer == "hand 1"
    assert read_graph(model(argmax, "label", version="1\nbuilt by hand\n")).producer == "hand"


def test_weights_kept_elsewhere_are_found_in_graphs_inside_graphs() -> None:
    assert read_graph(external("w.bin").model).external == ("w.bin",)
    hidden = TensorProto(name="W", data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    hidden.external_data.add(key="location", value="deep.bin")
    constant = helper.make_node("Constant", [], ["Y"], value=hidden)
    branch = helper.make_graph([constant], "branch", [], [helper.make_tensor_value_info("Y", 1, [1])])
    choice = helper.make_node("If", ["X"], ["label"], then_branch=branch, else_branch=branch)
    assert read_graph(model([choice], "label")).external == ("deep.bin",)


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95", b"hello there", bytes(50)])
def test_what_is_no_onnx_file(content: bytes) -> None:
    with pytest.raises(IntakeRefused, match="no ONNX"):
        read_graph(content)
