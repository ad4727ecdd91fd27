"""Gunicorn's settings; the reason for each is in docs/decisions/0002-gunicorn.md."""

import sys
from pathlib import Path

from app.factory import prepare_worker
from app.greeting import greeting
from app.processors import pin_worker, refuse_taken_address, rest_collector
from app.telemetry.logs import logging_config, wants_console
from config.deployment import load_deployment
from config.invalid import ConfigInvalid
from config.prices import load_hourly_price
from config.settings import Settings

try:
    _settings = Settings.from_env()
    load_deployment(_settings.deployment_file)
    load_hourly_price(_settings.prices_file)
except ConfigInvalid as error:
    raise SystemExit(f"sluice: {error}") from None

wsgi_app = "wsgi:app"
bind = _settings.bind
worker_class = "app.worker.Worker"
logger_class = "app.worker.ServerLog"
workers = _settings.workers
threads = _settings.threads
reuse_port = not bind.startswith("unix:")
keepalive = 75
timeout = 120
graceful_timeout = _settings.graceful_timeout
max_requests = _settings.max_requests
max_requests_jitter = _settings.max_requests // 10
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
http_parser = "python"
control_socket_disable = True
logconfig_dict = logging_config(_settings.log_level, wants_console(_settings.log_format))


def on_starting(server):
    """Before the first worker: with reuse_port a second server on the same address would start in silence."""
    if reuse_port:
        refuse_taken_address(_settings.host, _settings.port)


def post_worker_init(worker):
    """After the application is built, before the worker accepts: load the models, then take one core."""
    prepare_worker(worker.wsgi)
    rest_collector()
    if _settings.pin_workers:
        pin_worker(worker.age, _settings.workers)
    if _settings.greeting and worker.age == 1:
        print(greeting(worker.wsgi, _settings), file=sys.stdout, flush=True)
