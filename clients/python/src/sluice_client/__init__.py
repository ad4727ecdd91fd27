"""Ask a Sluice model server for predictions. ``Client`` is the way in."""

from sluice_client.answers import Prediction, Predictions
from sluice_client.client import Client
from sluice_client.errors import (
    BatchFailed,
    Forbidden,
    InvalidInput,
    NotFound,
    QuotaExceeded,
    Refused,
    ServerFailed,
    SluiceError,
    TimedOut,
    Unauthenticated,
    Unavailable,
    Unreachable,
    UnreadableAnswer,
)
from sluice_client.progress import ProgressLine
from sluice_client.retries import Retries

__all__ = [
    "BatchFailed",
    "Client",
    "Forbidden",
    "InvalidInput",
    "NotFound",
    "Prediction",
    "Predictions",
    "ProgressLine",
    "QuotaExceeded",
    "Refused",
    "Retries",
    "ServerFailed",
    "SluiceError",
    "TimedOut",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
    "UnreadableAnswer",
]
