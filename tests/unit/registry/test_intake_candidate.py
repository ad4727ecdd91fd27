"""A file that does not load is refused with what its owner can do about it."""

from typing import Any

import pytest
from onnx import TensorProto, helper

from app.registry.intake.candidate import load_candidate
from app.registry.intake.options import IntakeRefused
from app.runtimes.onnx import OnnxRuntime

_ROWS = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])
_ANSWER = helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, 2])
_WORDS = helper.make_tensor_value_info("X", TensorProto.STRING, [None])


def model(node: Any, opset: int = 17, ir: int = 8, inputs: Any = (_ROWS,), outputs: Any = (_ANSWER,)) -> bytes:
    graph = helper.make_graph([node], "made", list(inputs), list(outputs))
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("com.acme", 1)]
    return bytes(helper.make_model(graph, opset_imports=domains, ir_version=ir).SerializeToString())


_RELU = helper.make_node("Relu", ["X"], ["Y"])
_FIXED = helper.make_node("Constant", [], ["Y"], value_floats=[1.0, 2.0])
_UPPER = helper.make_node("StringNormalizer", ["X"], ["Y"], case_change_action="UPPER", locale="xx_YY.UTF-8")
_ALIEN = helper.make_node("Frobnicate", ["X"], ["Y"], domain="com.acme")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (model(_RELU, ir=99), r"FAIL : Unsupported model IR version: 99, .* Set the model's ir_version"),
        (model(_RELU, opset=999), r"Opset 999 .* Export it for an older opset\.$"),
        (model(_ALIEN), "Frobnicate.*Export it with the operators of ONNX"),
        (model(_UPPER, inputs=[_WORDS], outputs=[]), r'xx_YY.UTF-8.*Install that locale .*"C.UTF-8"'),
        (model(_FIXED, inputs=[]), "has no inputs; export one that"),
        (model(_RELU, outputs=[]), "has no outputs; export one that"),
    ],
)
def test_what_to_do_about_a_file_that_cannot_be_served(file: bytes, said: str) -> None:
    def load(data: bytes, *_: Any) -> OnnxRuntime:
        return OnnxRuntime(data)

    with pytest.raises(IntakeRefused, match=said):
        load_candidate(load, file, {})
