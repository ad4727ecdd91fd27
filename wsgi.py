"""The WSGI entry point: ``gunicorn wsgi:app``, and ``flask --app wsgi`` for the command line."""

from app.factory import create_app
from config.invalid import ConfigInvalid
from config.settings import Settings

try:
    app = create_app(Settings.from_env())
except ConfigInvalid as error:
    raise SystemExit(f"sluice: {error}") from None
