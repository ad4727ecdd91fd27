"""Filling the cache of a running server from a file of rows."""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import click

from app.commands.remote import Remote, RemoteFailed
from app.commands.rows import Model, Row, most_frequent, read_rows

_ROW = re.compile(r"instances\[(\d+)\]")
_ATTEMPTS = 5
_MOST_WAIT_S = 60.0


@dataclass(slots=True)
class Warming:
    """What came of it. ``refused`` rows did not fit the model; ``example`` says why of the first."""

    model: str
    version: str | None = None
    read: int = 0
    distinct: int = 0
    warmed: int = 0
    refused: int = 0
    example: str | None = None
    tiers: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.read} rows read, {self.distinct} of them distinct and chosen"
        yield f"{self.warmed} remembered in {' and '.join(self.tiers) or 'no tier'} within {self.seconds:.1f} s"
        if self.refused:
            yield f"{self.refused} refused, the first because of {self.example}"
        if not self.tiers and self.distinct > self.refused:
            yield "Caching is off for this model: see `cache` in the deployment file, and SLUICE_CACHE"
        elif "l2" not in self.tiers and self.warmed:
            yield "Without SLUICE_REDIS_URL each worker remembers for itself: only those that answered are warm"


def warm(
    remote: Remote, path: Path, name: str, version: str | None, top: int | None, batch: int, quiet: bool
) -> Warming:
    """Send the file's distinct rows, the most frequent first, and count.

    Raises:
        click.ClickException: the file or the server is not what it should be.
    """
    started = perf_counter()
    told = remote.get(f"/v1/models/{name}")
    model = Model(name, {feature["name"]: feature["dtype"] for feature in told["features"]})
    outcome = Warming(name)
    rows = most_frequent(_counted(read_rows(path, model), outcome), top)
    outcome.distinct = len(rows)
    route = f"/v1/models/{name}" + (f"/versions/{version}" if version else "") + "/warm"
    parts = list(_batches(rows, batch))
    with click.progressbar(parts, label="Warming", file=sys.stderr, hidden=quiet) as bar:
        for part in bar:
            _send(remote, route, part, outcome)
    outcome.seconds = perf_counter() - started
    return outcome


def _counted(rows: Iterator[Row], outcome: Warming) -> Iterator[Row]:
    for row in rows:
        outcome.read += 1
        yield row


def _batches(rows: Sequence[Row], size: int) -> Iterator[list[Row]]:
    """Rows of one kind, for a body holds either objects or lists."""
    for _, group in groupby(rows, key=type):
        kind = list(group)
        yield from (kind[at : at + size] for at in range(0, len(kind), size))


def _send(remote: Remote, route: str, rows: list[Row], outcome: Warming) -> None:
    """One batch; what the server refuses is taken out and the rest sent again."""
    while rows:
        try:
            answer = _patient_post(remote, route, {"instances": rows})
        except RemoteFailed as error:
            if not error.errors:
                raise
            bad = {int(found[1]) for found in map(_ROW.match, error.errors) if found} & set(range(len(rows)))
            bad = bad or set(range(len(rows)))
            outcome.refused += len(bad)
            outcome.example = outcome.example or error.message
            rows = [row for at, row in enumerate(rows) if at not in bad]
        else:
            outcome.version, outcome.tiers = answer["model_version"], answer["tiers"]
            outcome.warmed += answer["warmed"]
            return


def _patient_post(remote: Remote, route: str, body: Any) -> Any:
    """Post, and come again when the server is busy or a quota is used up, as it says."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return remote.post(route, body)
        except RemoteFailed as error:
            if error.status not in {429, 503} or error.wait_s is None:
                raise
            sleep(min(error.wait_s, _MOST_WAIT_S))
    return remote.post(route, body)
