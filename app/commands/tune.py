"""``flask --app wsgi models tune``: how a model is best served on this machine."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from app.commands.choice import chosen_versions
from app.commands.durations import LATENCY
from app.commands.output import as_json_option, example, print_json, print_table
from app.errors import ModelRefused
from app.registry.repository import Repository
from app.services import services
from app.tuning.chart import draw
from app.tuning.machine import ROUNDS, SIZES, Load, TuningFailed, measure_all, setups, undisturbed
from app.tuning.proposal import Proposal, propose, requests_per_s
from config.editing import block, set_batching
from config.invalid import ConfigInvalid


@click.command(epilog=example("flask --app wsgi models tune churn --slo-p95 50ms --plot churn.svg"))
@click.argument("name")
@click.argument("version", required=False)
@click.option("--slo-p95", type=LATENCY, default="100ms", show_default=True, help="What 95 of 100 may take at most.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 60),
    default=0.3,
    show_default=True,
    help="For each measurement, in three rounds.",
)
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw what was measured; an SVG file.")
@click.option("--write", is_flag=True, help="Put the proposal into the deployment file.")
@as_json_option
def tune(
    name: str,
    version: str | None,
    slo_p95: float,
    seconds: float,
    plot: Path | None,
    write: bool,
    as_json: bool,
) -> None:
    """Measure a model on this machine and propose workers, threads and the largest batch.

    Real processes run the model on its golden rows, alone and together, in batches of 1 to 128; nothing else should run
    meanwhile. HTTP is not measured: it counts with 200 us of a worker for each request.
    """
    here = services()
    if plot and plot.suffix.lower() != ".svg":
        raise click.BadParameter("write a name that ends in .svg", param_hint="--plot")
    if plot and not plot.parent.is_dir():
        raise click.BadParameter(f"there is no folder {plot.parent}", param_hint="--plot")
    repository = here.registry.repository
    version = _tunable(repository, name, version)
    loads = _measured(repository, name, version, seconds, slo_p95)
    found = propose(loads, slo_p95)
    if plot:
        plot.write_text(draw(f"{name}/{version}: p95 of {slo_p95 * 1000:g} ms at most", loads, found.load), "utf-8")
    if as_json:
        print_json(
            {"model": name, "version": version, "proposal": found.facts(), "measured": [_facts(one) for one in loads]}
        )
    else:
        _print(name, loads, found, plot)
    if write:
        try:
            set_batching(here.deployment_file, name, found.batching)
        except ConfigInvalid as error:
            raise click.ClickException(str(error)) from None
        click.echo(f"Written to {here.deployment_file}; a server reads it when it starts, and at HUP.", err=True)


def _tunable(repository: Repository, name: str, version: str | None) -> str:
    """The version that was named, else the newest."""
    version = chosen_versions(repository, name, version)[-1][1]
    try:
        golden = repository.manifest(name, version).golden
    except ModelRefused as error:
        raise click.ClickException(str(error)) from None
    if not golden:
        raise click.ClickException(f"{name}/{version} has no golden rows to run; add it again with --sample.")
    return version


def _measured(repository: Repository, name: str, version: str, seconds: float, objective_s: float) -> list[Load]:
    found = setups()
    loads: list[Load] = []
    steps = measure_all(repository.root, name, version, found, seconds, max(1.0, objective_s))
    try:
        with click.progressbar(length=len(found) * ROUNDS * len(SIZES), label="Measuring", file=sys.stderr) as bar:
            for load in steps:
                loads.append(load)
                bar.update(1)
            bar.update(bar.length - bar.pos if bar.length else 0)
    except TuningFailed as error:
        raise click.ClickException(f"{name}/{version} could not be measured: {error}") from None
    return undisturbed(loads)


def _facts(load: Load) -> dict[str, Any]:
    setup = load.setup
    return {
        "workers": setup.workers,
        "threads": setup.threads,
        "pool": setup.pool,
        "batch": load.rows,
        "p50_ms": round(load.p50 * 1000, 3),
        "p95_ms": round(load.p95 * 1000, 3),
        "rows_per_s": round(load.rows_per_s, 1),
        "requests_per_s": round(requests_per_s(load), 1),
    }


def _print(name: str, loads: Sequence[Load], found: Proposal, plot: Path | None) -> None:
    rows = [_facts(load) for load in loads]
    marks = ["<--" if load is found.load else "" for load in loads]
    head = [*(key.upper() for key in rows[0]), ""]
    print_table(head, [[*row.values(), mark] for row, mark in zip(rows, marks, strict=True)])
    objective = f"{found.objective_s * 1000:g} ms"
    setup, batch = found.load.setup, found.load.rows
    click.echo(
        f"\nUp to {found.requests_per_s:,.0f} requests of one row a second, p95 {found.p95 * 1000:.3g} ms beside HTTP."
    )
    click.echo(
        f"It takes about {setup.workers * setup.pool * batch} callers at a time to get there. Start the server with\n"
    )
    click.echo("".join(f"  {key}={value}\n" for key, value in found.environment.items()))
    click.echo(f"and put this into the deployment file (--write does):\n\n{block(name, found.batching)}")
    if not found.met:
        click.echo(f"Nothing that was measured keeps p95 under {objective}; this is the quickest there is.")
    if plot:
        click.echo(f"Drawn in {plot}.")
