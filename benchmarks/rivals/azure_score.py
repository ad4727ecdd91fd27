"""Azure's inference server: an entry script, as its documentation has it."""

import json

from core import take_core
from model import Model

loaded = {}


def init():
    """Once in each worker."""
    take_core()
    loaded["model"] = Model()


def run(data):
    """One row or many, as JSON text; what is returned becomes JSON."""
    asked, model = json.loads(data), loaded["model"]
    if "features" in asked:
        return model.answer([asked["features"]])[0]
    return {"predictions": model.answer(asked["instances"])}
