"""How far a batch has come, for people who wait for it."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TextIO


class ProgressLine:
    """Rows done, rows in all and rows per second: on one line that changes on a terminal, every tenth elsewhere.

    Anything else that takes ``(done, total)`` can be given to ``predict_batch`` in its place.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._started = monotonic()
        self._shown = -1

    def __call__(self, done: int, total: int) -> None:
        """Show it, unless it was shown already."""
        live = self._stream.isatty()
        tenth = done * 10 // max(total, 1)
        if not live and tenth == self._shown:
            return
        self._shown = tenth
        speed = done / max(monotonic() - self._started, 1e-9)
        end = "\n" if not live or done == total else ""
        self._stream.write(f"{chr(13) if live else ''}{done:,} of {total:,} rows, {speed:,.0f} rows/s{end}")
        self._stream.flush()
