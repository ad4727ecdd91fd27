"""Registers models as MLflow's users do: folders of files first, then one logged as ONNX and one as plain Python."""

import json
import os
import sys

os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "ORT_DISABLE_TELEMETRY": "1"}

import mlflow
import onnx
from mlflow import MlflowClient


class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


task = json.load(sys.stdin)
mlflow.set_tracking_uri(task["url"])
mlflow.set_experiment("tests")
name, client = task["name"], MlflowClient()
client.create_registered_model(name)
for folder in task["folders"]:
    with mlflow.start_run() as run:
        mlflow.log_artifacts(folder, "model")
    client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
with mlflow.start_run():
    model = onnx.load(task["onnx"])
    mlflow.onnx.log_model(model, name="model", registered_model_name=name, pip_requirements=[])
    mlflow.pyfunc.log_model(name="plain", python_model=Doubling(), registered_model_name=name, pip_requirements=[])
client.set_registered_model_alias(name, "champion", "2")
json.dump({"mlflow": mlflow.__version__}, sys.stdout)
