"""Whatever is logged, a line comes of it and nothing else."""

import json
import logging

import pytest

from app.telemetry.logs import Stderr, logging_config
from tests.pipes import Pipe


@pytest.fixture
def handler(pipe: Pipe) -> Stderr:
    """With the formatter that the servers give it."""
    made = Stderr(pipe.into)
    made.setFormatter(logging_config("info", pretty=False)["formatters"]["chain"]["()"](pretty=False))
    return made


def test_what_no_json_can_hold_is_written_all_the_same(handler: Stderr, pipe: Pipe) -> None:
    made = {"msg": {"event": "strange", "large": 10**30}, "_logger": None, "_name": "error", "_from_structlog": True}
    handler.emit(logging.makeLogRecord(made))
    assert json.loads(pipe.drain())["large"] == 10**30


def test_a_line_that_cannot_be_made_ends_nobodys_work(handler: Stderr, pipe: Pipe) -> None:
    handler.emit(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
    handler.emit(logging.makeLogRecord({"msg": "next"}))
    assert json.loads(pipe.drain())["event"] == "next"
