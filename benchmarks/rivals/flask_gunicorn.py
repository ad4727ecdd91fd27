"""Gunicorn for rival (a): what this project's gunicorn.conf.py sets, without the project."""

import os
from pathlib import Path

bind = f"127.0.0.1:{os.environ['PORT']}"
worker_class = "gthread"
workers = int(os.environ["WEB_CONCURRENCY"])
threads = 8
reuse_port = True
keepalive = 75
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
http_parser = "python"
control_socket_disable = True


def post_worker_init(worker):
    """The same pinning: one core per worker while there are enough."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) >= workers:
        os.sched_setaffinity(0, {cores[(worker.age - 1) % len(cores)]})
