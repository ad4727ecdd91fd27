"""MLServer with the same ONNX file: a custom runtime, as its documentation has it, around onnxruntime."""

import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):
    """One session with one thread, output names looked up once."""

    async def load(self) -> bool:
        """Open the file that the settings name."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(self.settings.parameters.uri, options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Every output of the model."""
        feed = {item.name: NumpyCodec.decode_input(item) for item in payload.inputs}
        outputs = self._session.run(self._names, feed)
        return InferenceResponse(
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output(name, array) for name, array in zip(self._names, outputs, strict=True)],
        )
