"""Gunicorn's settings; the reason for each is in docs/decisions/0002-gunicorn.md."""

import os
import signal
import sys
from functools import partial
from pathlib import Path

from config.runtime import close_runtime_folder, open_runtime_folder

_folder = open_runtime_folder(os.environ)

from app.factory import prepare_worker
from app.greeting import greeting
from app.processors import (
    pin_worker,
    raise_descriptor_limit,
    refuse_taken_address,
    rest_collector,
    was_given_a_socket,
)
from app.state.roster import Roster
from app.telemetry.graveyard import bury
from app.telemetry.logs import logger, logging_config, wants_console
from app.wiring import check_configuration
from config.invalid import ConfigInvalid
from config.settings import Settings, unknown_settings

try:
    _settings = Settings.from_env()
    check_configuration(_settings)
except ConfigInvalid as error:
    raise SystemExit(f"sluice: {error}") from None

_roster = Roster(_folder / "roster")

wsgi_app = "wsgi:app"
bind = _settings.bind
worker_class = "app.worker.Worker"
logger_class = "app.worker.ServerLog"
workers = _settings.workers
threads = _settings.threads
keepalive = 75
timeout = _settings.worker_timeout
graceful_timeout = _settings.graceful_timeout
max_requests = _settings.max_requests
max_requests_jitter = _settings.max_requests // 10
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
http_parser = "python"
forwarded_allow_ips = "*"  # there is nothing left to allow:
forwarder_headers = ""
secure_scheme_headers = {}
control_socket_disable = True
logconfig_dict = logging_config(_settings.log_level, wants_console(_settings.log_format))


def on_starting(server):
    """Before the first worker: gunicorn itself would try a taken address for five seconds."""
    raise_descriptor_limit()
    if not bind.startswith("unix:") and not was_given_a_socket(os.environ):
        refuse_taken_address(_settings.host, _settings.port)


def when_ready(server):
    """From here on, tell the workers when it is the whole server that ends, and reload only what can be read."""
    for name, what in unknown_settings().items():
        logger("sluice.server").warning("setting_ignored", setting=name, reason=what)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, partial(_announce_stop, signal.getsignal(number)))
    signal.signal(signal.SIGHUP, partial(_reload_if_readable, signal.getsignal(signal.SIGHUP)))


def _announce_stop(go_on, number, frame):
    _roster.announce_stop()
    go_on(number, frame)


def _reload_if_readable(go_on, number, frame):
    """Gunicorn would end the whole server over a file with a mistake in it."""
    try:
        check_configuration(Settings.from_env())
    except ConfigInvalid as error:
        logger("sluice.server").error("reload_refused", reason=str(error))
    else:
        go_on(number, frame)


def on_reload(server):
    """Before the new workers are forked."""
    _roster.announce_reload(server.worker_age)


def pre_fork(server, worker):
    """Give the worker its line in the roster."""
    worker.seat = _roster.board(worker.age)
    worker.drain_seconds = _settings.drain_seconds
    worker.memory_limit_mb = _settings.worker_memory_mb


def post_worker_init(worker):
    """After the application is built, before the worker accepts: load the models, then take one core."""
    prepare_worker(worker.wsgi, worker.seat.number)
    rest_collector()
    if _settings.pin_workers:
        pin_worker(worker.seat.number, _settings.workers)
    if _settings.greeting and worker.age == 1:
        print(greeting(worker.wsgi, _settings), file=sys.stdout, flush=True)


def child_exit(server, worker):
    """In the master, after a worker ended in whatever way."""
    _roster.vacate(worker.age)
    bury(_folder, worker.pid)


def on_exit(server):
    """Last of all."""
    close_runtime_folder(_folder)
