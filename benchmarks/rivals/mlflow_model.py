"""MLflow: the same file saved as a model of its ONNX flavor, for ``mlflow models serve``. Run once: FOLDER."""

import os
import shutil
import sys

import mlflow.onnx
import numpy as np
import onnx
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

shutil.rmtree(sys.argv[1], ignore_errors=True)
mlflow.onnx.save_model(
    onnx.load(os.environ["BENCH_MODEL"]),
    sys.argv[1],
    signature=ModelSignature(inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 20), "X")])),
    onnx_execution_providers=["CPUExecutionProvider"],
    onnx_session_options={"intra_op_num_threads": 1, "inter_op_num_threads": 1},
    pip_requirements=["mlflow", "onnxruntime"],
)
