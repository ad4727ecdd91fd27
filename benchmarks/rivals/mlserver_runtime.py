"""MLServer with the same ONNX file: a custom runtime, as its documentation has it, around onnxruntime."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from model import Model


class OnnxModel(MLModel):
    """Decode, run, encode."""

    async def load(self) -> bool:
        """Its process is free to take any core."""
        self._model = Model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Both outputs of the model."""
        labels, probabilities = self._model.run(NumpyCodec.decode_input(payload.inputs[0]))
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[
                NumpyCodec.encode_output("label", labels),
                NumpyCodec.encode_output("probabilities", probabilities),
            ],
        )
