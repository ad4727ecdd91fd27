"""``flask --app wsgi cache``: look at, clear and fill the cache of a running server."""

from pathlib import Path
from typing import Any

import click

from app.commands.output import as_json_option, print_json, print_table
from app.commands.remote import Remote, with_server
from app.commands.warming import warm as warm_from


@click.group()
def cache() -> None:
    """Look at, clear and fill the cache of a running server."""


@cache.command()
@with_server
@as_json_option
def stats(remote: Remote, as_json: bool) -> None:
    """Show hits, misses, money saved, and whether each tier pays."""
    told = remote.get("/cache-stats")
    if as_json:
        print_json(told)
        return
    _print_headline(told)
    if told["models"]:
        click.echo()
        print_table(("MODEL", "VERSION", "TIER", "HITS", "HOLDS", "P50 MS", "VERDICT"), _tiers(told["models"]))


@cache.command()
@with_server
@as_json_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(remote: Remote, as_json: bool, yes: bool) -> None:
    """Forget every remembered answer, in every worker and in Redis."""
    if not yes:
        click.confirm(f"Forget every remembered answer of {remote.url}?", abort=True, err=True)
    told = remote.post("/v1/cache/clear", {})
    if as_json:
        print_json(told)
    else:
        click.echo("Cleared. Other workers follow within a second.")


@cache.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", required=True, help="The model, as in /v1/models/NAME.")
@click.option("--version", help="A version other than the default one.")
@click.option("--top", type=click.IntRange(min=1), help="Only the N rows that come most often.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Rows in one request.")
@with_server
@as_json_option
def warm(
    file: Path, model: str, version: str | None, top: int | None, batch: int, remote: Remote, as_json: bool
) -> None:
    """Compute and remember the rows of FILE.

    FILE is JSON lines (bodies, plain rows, or a prediction log) or CSV with a header of feature names.
    """
    outcome = warm_from(remote, file, model, version, top, batch, quiet=as_json)
    if as_json:
        print_json(outcome.as_dict())
    else:
        click.echo("\n".join(outcome.lines()))


def _print_headline(told: dict[str, Any]) -> None:
    lines = {
        "hit rate": f"{told['cache_hit_rate']:.1%} of {told['cache_hits'] + told['cache_misses']} rows looked up",
        "rows": f"{told['total_requests']} ({told['cache_bypassed']} bypassed the cache)",
        "saved": f"{told['cost_savings']} ({told['compute_seconds_saved']:.1f} s of computing)",
        "latency": f"{told['avg_latency_cached']} cached, {told['avg_latency_uncached']} uncached",
        "scope": f"{told['scope']} ({told['workers']} alive)",
        "state": told["state"] + (f": {told['degraded']}" if told["degraded"] else ""),
    }
    for name, value in lines.items():
        click.echo(f"{name + ':':10}{value}")


def _tiers(models: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (
            model["model"],
            model["version"],
            tier,
            figures["hits"],
            f"{figures['entries']} rows" if tier == "l1" else f"{figures['stored']} written",
            model["latency_ms"][f"hit-{tier}"]["p50"],
            figures["verdict"],
        )
        for model in models
        for tier, figures in model["tiers"].items()
    ]
