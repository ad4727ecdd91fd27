"""The WSGI entry point: ``gunicorn wsgi:app``, and ``flask --app wsgi`` for the command line."""

import sys

from app.factory import create_app
from config.invalid import ConfigInvalid
from config.settings import Settings

try:
    app = create_app(Settings.from_env())
except ConfigInvalid as error:
    sys.stderr.write(f"sluice: {error}\n")
    raise SystemExit(3) from None  # gunicorn takes 3 for a worker that can never start, and stops
