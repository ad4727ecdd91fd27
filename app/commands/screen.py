"""Tables that show what a model's versions do, once or again every second while somebody watches."""

import sys
from collections.abc import Callable
from contextlib import suppress
from time import sleep
from typing import Any

import click

from app.commands.output import print_json, print_table, when

REFRESH_S = 1.0
Fetch = Callable[[], Any]


def show(fetch: Fetch, draw: Callable[[Any], None], as_json: bool, once: bool) -> None:
    """Draw; on a terminal again and again until Ctrl-C, elsewhere one time."""
    if as_json:
        print_json(fetch())
        return
    if once or not sys.stdout.isatty():
        draw(fetch())
        return
    with suppress(KeyboardInterrupt):
        while True:
            data = fetch()
            click.clear()
            draw(data)
            click.echo("\nCtrl-C ends.")
            sleep(REFRESH_S)


def draw_traffic(data: Any) -> None:
    """A row for each version: its share, and what it did under this plan."""
    traffic, experiment = data["traffic"], data["experiment"]
    unit = {"header": f"header {traffic['header']}", "entity": "entity", "request": "nothing"}[traffic["unit"]]
    click.echo(f"{traffic['model']}  generation {traffic['generation']}  sticks to {unit}  {traffic['note']}".rstrip())
    rows = [_row(arm, traffic) for arm in experiment["arms"]]
    print_table(["version", "variant", "traffic", "shadow", "requests", "errors", "p50 ms", "p95 ms"], rows)


def _row(arm: Any, traffic: Any) -> list[Any]:
    version = arm["version"]
    return [
        version,
        arm["variant"],
        _percent(traffic["weights"].get(version)),
        _percent(traffic["shadow"].get(version)),
        arm["requests"],
        arm["errors"],
        arm["latency_p50_ms"],
        arm["latency_p95_ms"],
    ]


def draw_rollout(data: Any) -> None:
    """Where the rollout that runs stands, or how the last one ended."""
    running = data["running"]
    if running is None and not data["history"]:
        click.echo(f"No rollout of {data['model']} yet.")
        return
    rollout = running or data["history"][0]
    dry = "  dry run" if rollout["dry_run"] else ""
    click.echo(
        f"{data['model']}  {rollout['stable']} -> {rollout['canary']}  {rollout['state']}"
        f"  step {rollout['step']} of {len(rollout['steps'])} at {rollout['percent']:g} %{dry}"
    )
    if data["verdict"]:
        click.echo(f"now: {data['verdict']['decision']}  {'; '.join(data['verdict']['reasons'])}".rstrip())
    rows = [
        [when(it["at"]), it["step"], _percent(it["percent"]), it["decision"], it["reason"]] for it in rollout["log"]
    ]
    print_table(["time", "step", "traffic", "decision", "why"], rows)


def draw_history(data: Any) -> None:
    """Every rollout there was, newest first."""
    items = ([data["running"]] if data["running"] else []) + data["history"]
    rows = [[when(it["started"]), it["stable"], it["canary"], it["state"], it["by"], it["reason"]] for it in items]
    print_table(["started", "stable", "canary", "state", "by", "why"], rows)


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:g} %"
