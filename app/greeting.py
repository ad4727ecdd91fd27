"""What ``make run`` prints once the server can answer: where it is, and one call that works."""

from flask import Flask

from app.registry.example import curl, example_body
from app.services import EXTENSION, Services
from config.settings import Settings


def greeting(app: Flask, settings: Settings) -> str:
    """Text for a terminal."""
    here: Services = app.extensions[EXTENSION]
    address = f"http://{settings.bind}"
    lines = ["", f"Sluice is ready:  {address}", f"Documentation:    {address}/docs", ""]
    name = here.registry.default_model
    model = here.registry.models.get(name) if name else None
    body = example_body(model.served.manifest) if model and model.served else None
    if body is None:
        lines += [
            "No default model is served; add one:  flask --app wsgi models add FILE.onnx --name N --version V",
            "",
        ]
    else:
        lines += [
            f"Try the model '{name}':",
            "",
            f"  {curl(address, '/predict', body, settings.bootstrap_admin_key if settings.auth else '')}",
            "",
        ]
    return "\n".join(lines)
