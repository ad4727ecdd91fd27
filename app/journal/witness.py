"""Sees how a request under a traffic plan ended, without anybody working out its answer a second time."""

from collections.abc import Mapping
from typing import Any

from app.errors import InvalidInput
from app.journal.outcomes import Outcomes, Subject
from app.tensors import Array, Reader


class Witness:
    """A version's reader that also notes the outcome, when the door asks it for the answers."""

    __slots__ = ("_outcomes", "_reader", "_seconds", "_subject")

    def __init__(self, reader: Reader, outcomes: Outcomes, subject: Subject, seconds: float | None) -> None:
        self._reader = reader
        self._outcomes = outcomes
        self._subject = subject
        self._seconds = seconds

    def rows(self, outputs: Mapping[str, Array], path: str) -> list[dict[str, Any]]:
        """See ``Reader.rows``."""
        try:
            answers = self._reader.rows(outputs, path)
        except InvalidInput:
            self._outcomes.failed(self._subject)
            raise
        self._outcomes.answered(self._subject, self._seconds, answers)
        return answers

    def refuse_gaps(self, outputs: Mapping[str, Array], path: str) -> None:
        """See ``Reader.refuse_gaps``; the protocols that ask this speak of arrays, so the rows are for the count."""
        self.rows(outputs, path)
