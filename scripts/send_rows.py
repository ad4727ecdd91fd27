"""Send rows of a CSV file to a running server, one request each, at an even rate: something to roll out a model on.

python scripts/send_rows.py scripts/demo_models/customers.csv --model churn --rate 50 --seconds 60

Prints once a second how many answers each version gave and how many requests failed. Ctrl-C ends it.
"""

import argparse
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import cycle
from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click

from app.commands.remote import Remote, RemoteFailed
from app.commands.rows import Model, Row, read_rows


def _above_zero(text: str) -> float:
    with suppress(ValueError):
        if 0 < (number := float(text)) < inf:
            return number
    raise argparse.ArgumentTypeError("write a number above 0")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="CSV with a header, or JSON lines")
    parser.add_argument("--model", required=True)
    parser.add_argument("--rate", type=_above_zero, default=50, help="requests per second")
    parser.add_argument("--seconds", type=_above_zero, default=60)
    parser.add_argument("--url", default=os.environ.get("SLUICE_URL", "http://127.0.0.1:8000"))
    return parser.parse_args()


def _send(remote: Remote, path: str, row: Row) -> str:
    """The version that answered, or why none did."""
    try:
        return str(remote.post(path, {"features": row})["model_version"])
    except RemoteFailed as error:
        return f"failed ({error.status})"


def _told(counted: Counter[str]) -> str:
    return "  ".join(f"{name} {count}" for name, count in sorted(counted.items()))


def _rows(path: Path, model: Model) -> list[Row]:
    rows = list(read_rows(path, model))
    if rows:
        return rows
    raise click.ClickException(f"{path} holds no rows of {model.name}")


def _run(remote: Remote, model: Model, rows: list[Row], told: argparse.Namespace) -> Counter[str]:
    """Requests leave when they are due; a few may be on their way at a time."""
    counted: Counter[str] = Counter()
    path, began = f"/v1/models/{model.name}/predict", monotonic()
    with ThreadPoolExecutor(8) as pool, suppress(KeyboardInterrupt):
        for number, row in zip(range(int(told.rate * told.seconds)), cycle(rows), strict=False):
            sleep(max(0.0, began + number / told.rate - monotonic()))
            pool.submit(_send, remote, path, row).add_done_callback(lambda done: counted.update([done.result()]))
            if number and number % max(1, int(told.rate)) == 0:
                print(_told(counted), flush=True)
    return counted


def main() -> None:
    """Read, send, count."""
    told = _arguments()
    remote = Remote(told.url, os.environ.get("SLUICE_API_KEY"))
    try:
        shown: Any = remote.get(f"/v1/models/{told.model}")
        model = Model(told.model, {feature["name"]: feature["dtype"] for feature in shown["features"]})
        print(_told(_run(remote, model, _rows(told.file, model), told)))
    except (click.ClickException, OSError) as error:
        raise SystemExit(f"send_rows: {getattr(error, 'message', error)}") from None


if __name__ == "__main__":
    main()
