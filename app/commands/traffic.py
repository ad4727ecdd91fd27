"""``flask --app wsgi traffic``: who answers how much, on a running server."""

from collections.abc import Sequence
from typing import Any

import click

from app.commands.output import as_json_option, example, print_json
from app.commands.remote import Remote, with_server
from app.commands.screen import draw_traffic, show


@click.group()
def traffic() -> None:
    """Which version of a model answers how much."""


@traffic.command("set", epilog=example("flask --app wsgi traffic set churn v1=90 v2=10"))
@click.argument("model")
@click.argument("weights", nargs=-1, required=True, metavar="VERSION=PERCENT...")
@click.option("--unit", type=click.Choice(["entity", "header", "request"]), help="What keeps its version.")
@click.option("--header", help="The header, where the unit is one.")
@click.option("--experiment", help="Its name; another name deals all units again.")
@click.option("--variant", "variants", multiple=True, metavar="VERSION=NAME", help="Name an arm; several times.")
@click.option("--shadow", "shadows", multiple=True, metavar="VERSION=PERCENT", help="Copy requests; several times.")
@click.option("--note", help="Why; shown with the plan.")
@click.option("--generation", type=int, help="Only over this generation; else over whichever there is.")
@as_json_option
@with_server
def set_traffic(
    model: str, weights: tuple[str, ...], generation: int | None, as_json: bool, remote: Remote, **told: Any
) -> None:
    """Give versions their shares; they add up to 100."""
    body = {name: value for name, value in told.items() if value}
    body.pop("shadows", None)
    body |= {"weights": _percents(weights), "shadow": _percents(told["shadows"])}
    body["variants"] = dict(_pair(word) for word in told["variants"])
    _tell(remote.put(f"/v1/models/{model}/traffic", body, generation), as_json)


@traffic.command("show")
@click.argument("model")
@click.option("--once", is_flag=True, help="Print the table one time, on a terminal too.")
@as_json_option
@with_server
def show_traffic(model: str, once: bool, as_json: bool, remote: Remote) -> None:
    """The plan and what each version did under it; on a terminal it goes on until Ctrl-C."""
    root = f"/v1/models/{model}"

    def fetch() -> Any:
        return {"traffic": remote.get(f"{root}/traffic"), "experiment": remote.get(f"{root}/experiment")}

    show(fetch, draw_traffic, as_json, once)


@traffic.command()
@click.argument("model")
@as_json_option
@with_server
def rollback(model: str, as_json: bool, remote: Remote) -> None:
    """Return to the plan before; a rollout that runs is aborted."""
    _tell(remote.post(f"/v1/models/{model}/traffic/rollback"), as_json)


def _tell(after: Any, as_json: bool) -> None:
    if as_json:
        print_json(after)
        return
    shares = ", ".join(f"{version} {percent:g} %" for version, percent in after["weights"].items())
    click.echo(f"{after['model']}: {shares} (generation {after['generation']}).")


def _percents(words: Sequence[str]) -> dict[str, float]:
    pairs = dict(_pair(word) for word in words)
    try:
        return {version: float(percent.rstrip("%")) for version, percent in pairs.items()}
    except ValueError:
        raise click.BadParameter("write VERSION=PERCENT, for example v2=10") from None


def _pair(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not (name and equals and value):
        raise click.BadParameter(f"{word!r}: write VERSION=VALUE, for example v2=10")
    return name, value
