"""The file that everyone serves, opened the way everyone opens it: one thread, outputs' names looked up once."""

import os

import numpy as np
import onnxruntime as ort


class Model:
    """``BENCH_MODEL``, which gives a label and the probabilities of two classes for each row of 20 numbers."""

    def __init__(self):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = os.environ["BENCH_MODEL"]
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def answer(self, rows):
        """Rows of numbers -> what a route answers for each."""
        labels, probabilities = self.run(np.asarray(rows, dtype=np.float32))
        pairs = zip(labels.tolist(), probabilities.tolist(), strict=True)
        return [{"label": label, "probabilities": shares} for label, shares in pairs]

    def run(self, rows):
        """float32 rows -> labels and probabilities."""
        return self._session.run(self._names, {"X": rows})
