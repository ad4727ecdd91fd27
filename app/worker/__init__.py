"""Gunicorn's threaded worker, hardened; ``gunicorn.conf.py`` names it."""

from app.worker.worker import ServerLog, Worker

__all__ = ["ServerLog", "Worker"]
