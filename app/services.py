"""What the doors may use, built once by ``wiring`` and found here by request code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from flask import current_app

from app.cache.report import CacheReport
from app.predictor import Predictor
from app.registry.registry import Registry

EXTENSION = "sluice"


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of the API and of the commands, and the few limits they enforce themselves.

    ``address`` is where this server listens, for printed examples.
    """

    address: str
    registry: Registry
    predictor: Predictor
    cache_report: CacheReport
    dependencies: Mapping[str, Callable[[], str]]
    log: Any
    max_rows: int
    max_body_bytes: int
    access_log: bool


def services() -> Services:
    """The services of the application that handles the current request."""
    return cast(Services, current_app.extensions[EXTENSION])
