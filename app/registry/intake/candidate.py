"""Loading a file for the first time, and what its owner can do when that fails."""

from collections.abc import Mapping

from app.registry.intake.options import IntakeRefused
from app.registry.loading import RuntimeLoader
from app.runtimes.base import Runtime, RuntimeFailed

_ADVICE = {
    "IR version": "Set the model's ir_version to the largest that is supported, or export it with an older onnx.",
    "under development": "Export it for an older opset.",
    "not a registered function/op": "Export it with the operators of ONNX itself: others are not installed here.",
    "Could not find an implementation": "That operator has no version for this type on a CPU; export it in float32.",
    "ZipMap input shape": "Convert it without the map (skl2onnx: options={'zipmap': False}).",
    "construct locale": "Install that locale on every machine that serves the model, or convert it for one that is"
    ' everywhere (skl2onnx: options={TfidfVectorizer: {"locale": "C.UTF-8"}}).',
}
"""What onnxruntime says, and what helps."""


def load_candidate(load_runtime: RuntimeLoader, model: bytes, external: Mapping[str, bytes]) -> Runtime:
    """The runtime of a file that may be anything.

    Raises:
        IntakeRefused: it does not load, or nothing goes in or comes out.
    """
    try:
        runtime = load_runtime(model, external, "")
    except RuntimeFailed as error:
        advice = next((f" {advice}" for words, advice in _ADVICE.items() if words in str(error)), "")
        raise IntakeRefused(f"onnxruntime does not load this file: {str(error).rstrip('.')}.{advice}") from None
    if not runtime.inputs or not runtime.outputs:
        absent = "outputs" if runtime.inputs else "inputs"
        raise IntakeRefused(f"The model has no {absent}; export one that takes rows and answers them.")
    return runtime
