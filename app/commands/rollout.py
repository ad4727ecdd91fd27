"""``flask --app wsgi rollout``: versions that take over in steps, on a running server."""

from typing import Any

import click

from app.commands.durations import DURATION
from app.commands.output import as_json_option, example, print_json
from app.commands.remote import Remote, with_server
from app.commands.screen import draw_history, draw_rollout, show


@click.group()
def rollout() -> None:
    """Let a version take over in steps that it must pass."""


@rollout.command(epilog=example("flask --app wsgi rollout start churn v2 --steps 5,25,50 --interval 10m"))
@click.argument("model")
@click.argument("canary")
@click.option("--steps", default="5,25,50", show_default=True, help="Percent for the canary, step by step.")
@click.option("--interval", type=DURATION, default="60s", show_default=True, help="Least duration of a step.")
@click.option("--min-samples", type=int, help="Requests of each version that a step must have seen; else 100.")
@click.option("--drift", type=float, help="How far predictions may move, in standard deviations; else 0.25.")
@click.option("--latency-ratio", type=float, help="How many times the stable p95 is too slow; else 1.5.")
@click.option("--dry-run", is_flag=True, help="Give the canary copies of requests, and promote nothing.")
@click.option("--force", is_flag=True, help="Try a file again that failed before.")
@as_json_option
@with_server
def start(model: str, canary: str, steps: str, interval: float, as_json: bool, remote: Remote, **told: Any) -> None:
    """Begin. The server judges each step by itself: errors, latency, and what is predicted."""
    try:
        shares = [float(word.strip().rstrip("%")) for word in steps.split(",")]
    except ValueError:
        raise click.BadParameter("write percentages with commas, for example 5,25,50", param_hint="--steps") from None
    body = {name: value for name, value in told.items() if value is not None}
    body |= {"canary": canary, "steps": shares, "interval_s": interval}
    _tell(remote.post(f"/v1/models/{model}/rollouts", body), as_json)


@rollout.command()
@click.argument("model")
@click.option("--once", is_flag=True, help="Print one time, on a terminal too.")
@as_json_option
@with_server
def status(model: str, once: bool, as_json: bool, remote: Remote) -> None:
    """Where it stands, and what the judge makes of it now; on a terminal it goes on until Ctrl-C."""
    show(lambda: remote.get(f"/v1/models/{model}/rollouts"), draw_rollout, as_json, once)


@rollout.command()
@click.argument("model")
@as_json_option
@with_server
def promote(model: str, as_json: bool, remote: Remote) -> None:
    """Give the canary all traffic now, whatever the judge would say."""
    _tell(remote.post(f"/v1/models/{model}/rollouts/promote"), as_json)


@rollout.command()
@click.argument("model")
@as_json_option
@with_server
def abort(model: str, as_json: bool, remote: Remote) -> None:
    """Give the stable version all traffic back now."""
    _tell(remote.post(f"/v1/models/{model}/rollouts/abort"), as_json)


@rollout.command()
@click.argument("model")
@as_json_option
@with_server
def history(model: str, as_json: bool, remote: Remote) -> None:
    """Every rollout of a model and how it ended."""
    data = remote.get(f"/v1/models/{model}/rollouts")
    if as_json:
        print_json(data)
    else:
        draw_history(data)


def _tell(after: Any, as_json: bool) -> None:
    if as_json:
        print_json(after)
    else:
        draw_rollout(after)
