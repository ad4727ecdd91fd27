"""The Flask application: blueprints, hooks, error handlers, commands."""

from flask import Flask

from app.api.application import Application
from app.api.cache_stats import blueprint as cache_stats
from app.api.docs import blueprint as docs
from app.api.errors import register_error_handlers
from app.api.experiments import blueprint as experiments
from app.api.health import blueprint as health
from app.api.hooks import register_hooks
from app.api.inference import blueprint as inference
from app.api.limits import limit_pages
from app.api.metrics import blueprint as metrics
from app.api.models import blueprint as models
from app.api.platforms import blueprint as platforms
from app.api.prediction import blueprint as prediction
from app.api.rollouts import blueprint as rollouts
from app.api.traffic import blueprint as traffic
from app.commands import register_commands
from app.services import EXTENSION, Services
from app.wiring import build_services
from config.settings import Settings

BLUEPRINTS = (
    prediction,
    inference,
    platforms,
    models,
    traffic,
    rollouts,
    experiments,
    cache_stats,
    health,
    metrics,
    docs,
)
"""Add an endpoint: write its package under ``api/`` and name its blueprint here."""


def create_app(settings: Settings) -> Flask:
    """Build the application.

    Raises:
        ConfigInvalid: a file of the operator's has a mistake.
    """
    app = Application("sluice", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.merge_slashes = False
    app.extensions[EXTENSION] = build_services(settings)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    register_hooks(app)
    register_error_handlers(app)
    limit_pages(app, docs.name)
    register_commands(app.cli)
    return app


def prepare_worker(app: Flask, seat: int) -> None:
    """What gunicorn does in each worker before it accepts: read and verify every model, start what runs beside."""
    here: Services = app.extensions[EXTENSION]
    here.start(seat)
