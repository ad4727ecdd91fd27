"""What MLflow itself asks of a deployed model, and reads of its answers.

The task on standard input: ``host``, ``port``, ``rows`` (two numbers each), ``record`` (a row of the model with texts).
What was seen is printed as one line of JSON.
"""

import json
import sys

import numpy as np
import pandas as pd
from mlflow.deployments import PredictionsResponse
from mlflow.pyfunc.scoring_server.client import ScoringServerClient


def listed(answer):
    assert isinstance(answer, PredictionsResponse)
    frame, array = answer.get_predictions(), answer.get_predictions("ndarray")
    assert frame.to_numpy().ravel().tolist() == array.ravel().tolist()
    return array.ravel().tolist()


def refusal(client, data, params=None):
    try:
        client.invoke(data, params=params)
    except Exception as error:  # noqa: BLE001 - it raises nothing narrower
        return str(error)
    return ""


def main(task):
    client = ScoringServerClient(task["host"], task["port"])
    client.wait_server_ready(timeout=10)
    values = np.array(task["rows"])
    frame = pd.DataFrame(values, columns=["f0", "f1"])
    return {
        "version": client.get_version(),
        "frame": listed(client.invoke(frame)),
        "frame in another order": listed(client.invoke(frame[["f1", "f0"]])),
        "array": listed(client.invoke(values)),
        "lists": listed(client.invoke(task["rows"])),
        "refusal": refusal(client, frame[["f0"]]),
        "parameters": refusal(client, values, {"temperature": 0.5}),
    }


sys.stdout.write(json.dumps(main(json.load(sys.stdin))) + "\n")
