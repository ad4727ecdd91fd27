"""The WSGI entry point: ``gunicorn wsgi:app``, and ``flask --app wsgi`` for the command line."""

from app import create_app
from config.deployment import DeploymentInvalid
from config.settings import SettingInvalid, Settings

try:
    app = create_app(Settings.from_env())
except (SettingInvalid, DeploymentInvalid) as error:
    raise SystemExit(f"sluice: {error}") from None
