"""The Flask application: blueprints, hooks, error handlers, commands."""

from flask import Flask

from app.api.docs import blueprint as docs
from app.api.errors import register_error_handlers
from app.api.health import blueprint as health
from app.api.hooks import register_hooks
from app.api.models import blueprint as models
from app.api.prediction import blueprint as prediction
from app.services import EXTENSION
from app.wiring import build_services
from config.settings import Settings

BLUEPRINTS = (prediction, models, health, docs)
"""Add an endpoint: write its package under ``api/`` and name its blueprint here."""


def create_app(settings: Settings) -> Flask:
    """Build the application.

    Raises:
        DeploymentInvalid: the deployment file has a mistake.
    """
    app = Flask("sluice", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.merge_slashes = False
    app.extensions[EXTENSION] = build_services(settings)
    register_hooks(app)
    register_error_handlers(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


def load_models(app: Flask) -> None:
    """Read and verify every model now, in this process: gunicorn calls it before a worker accepts connections."""
    app.extensions[EXTENSION].registry.load()
