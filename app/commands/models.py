"""``flask --app wsgi models``: bring a model in, list, show and verify what is there."""

from pathlib import Path
from typing import Any, get_args

import click

from app.commands.choice import chosen_versions
from app.commands.description import example_command, facts, print_facts
from app.commands.output import as_json_option, example, print_json, print_rows
from app.commands.parameters import ROLES, Identifier, Words, read_options
from app.commands.tune import tune
from app.errors import ModelRefused
from app.registry.intake import IntakeRefused, add_version, read_sample, take_in
from app.registry.loading import load_version
from app.registry.manifest import Task
from app.registry.registry import Registry
from app.registry.repository import Repository
from app.runtimes.base import RuntimeFailed
from app.services import services

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def models() -> None:
    """Bring models in, look at them, verify them."""


@models.command(
    epilog=example(
        "flask --app wsgi models add churn.onnx --name churn --version v3",
        "    --sample customers.csv --target churned --entity-key customer_id",
        "    --probability-name churn_probability",
    )
)
@click.argument("file", type=_FILE)
@click.option("--name", required=True, type=Identifier(), help="The model's name, as in /v1/models/NAME/predict.")
@click.option("--version", required=True, type=Identifier(), help="This version's name, for example v1.")
@click.option(
    "--sample", type=_FILE, help="CSV with a header and rows the model was made for: names, gaps, golden rows."
)
@click.option("--features", type=Words(), default=(), help="Feature names in the order of the model's columns.")
@click.option("--entity-key", help="What callers call the one a row is about, for example customer_id.")
@click.option("--target", help="The sample's column that holds the truth; it is no feature.")
@click.option("--ignore", type=Words(), default=(), help="More columns of the sample that are no features.")
@click.option("--labels", type=Words(), default=(), help="Class names in the order of the probabilities.")
@click.option("--positive", help="The class whose probability is answered by itself; of two, the second.")
@click.option("--probability-name", help="Another name for that probability, for example churn_probability.")
@click.option("--task", type=click.Choice(get_args(Task)), help="Else it is found out.")
@click.option("--role", "roles", multiple=True, metavar="OUTPUT=ROLE", help=f"What an output is: {', '.join(ROLES)}.")
@click.option(
    "--missing",
    multiple=True,
    metavar="[FEATURE=]POLICY",
    help="A missing value is refused (reject), filled in from the sample (impute) or passed on as NaN (nan).",
)
@click.option("--enforce", is_flag=True, help="Allow only the sample's ranges and words; else they are just noted.")
@click.option("--description", default="", help="One sentence for people.")
@as_json_option
def add(file: Path, sample: Path | None, as_json: bool, **told: Any) -> None:
    """Add an ONNX model as a new version.

    The file says what goes in and what comes out. A sample adds feature names, what they hold, and golden rows, which
    are run again at every start. Prints what was found, and a curl that predicts.
    """
    here = services()
    load = here.registry.load_runtime
    options = read_options(file, told)
    try:
        rows = read_sample(sample) if sample else None
        intake = take_in(file.read_bytes(), file.parent, options, rows, load)
        folder = add_version(here.registry.repository, intake, load)
    except IntakeRefused as error:
        raise click.ClickException(str(error)) from None
    command = example_command(here.address, intake.manifest, here.keyring is not None)
    if as_json:
        print_json(facts(intake.manifest) | {"folder": str(folder), "notes": list(intake.notes), "curl": command})
        return
    click.echo(f"Added to {folder}, loaded and verified.\n")
    print_facts(intake.manifest)
    click.echo("".join(f"\nNote: {note}" for note in intake.notes))
    click.echo("A server that watches this folder (the default) serves it within two seconds.")
    click.echo(f"Try it:\n\n  {command}" if command else "There is no example: no row is known that the model takes.")


@models.command("list")
@as_json_option
def list_versions(as_json: bool) -> None:
    """List every version, without loading any."""
    repository = services().registry.repository
    rows = [_listed(repository, name, version) for name, version in repository.versions()]
    print_rows(rows, as_json, _none_in(repository))


def _none_in(repository: Repository) -> str:
    return f"No models in {repository.root}. Add one: flask --app wsgi models add --help"


def _listed(repository: Repository, name: str, version: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "version": version, "task": None, "features": None, "created": None}
    try:
        manifest = repository.manifest(name, version)
    except ModelRefused as error:
        return row | {"problem": str(error)}
    known = {"task": manifest.task, "features": len(manifest.features), "created": manifest.created}
    return row | known | {"problem": None}


@models.command(epilog=example("flask --app wsgi models show churn v2"))
@click.argument("name")
@click.argument("version", required=False)
@as_json_option
def show(name: str, version: str | None, as_json: bool) -> None:
    """Show what a version takes and answers; the newest one when none is named."""
    here = services()
    try:
        manifest = here.registry.repository.manifest(*chosen_versions(here.registry.repository, name, version)[-1])
    except ModelRefused as error:
        raise click.ClickException(f"{error}. Correct the file, or add the model again as another version.") from None
    command = example_command(here.address, manifest, here.keyring is not None)
    if as_json:
        print_json(facts(manifest) | {"curl": command})
        return
    print_facts(manifest)
    click.echo(f"\n{command}" if command else "\nThere is no example: the version has no golden rows.")


@models.command(epilog=example("flask --app wsgi models verify churn"))
@click.argument("name", required=False)
@click.argument("version", required=False)
@as_json_option
@click.pass_context
def verify(ctx: click.Context, name: str | None, version: str | None, as_json: bool) -> None:
    """Load versions and reproduce their golden rows, as a server does at its start; all when none is named.

    Exits with 1 when one is refused.
    """
    registry = services().registry
    rows = [_verified(registry, *found) for found in chosen_versions(registry.repository, name, version)]
    print_rows(rows, as_json, _none_in(registry.repository))
    ctx.exit(int(any(row["state"] == "refused" for row in rows)))


def _verified(registry: Registry, name: str, version: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "version": version}
    try:
        served = load_version(registry.repository, registry.load_runtime, name, version)
    except (ModelRefused, RuntimeFailed) as error:
        return row | {"state": "refused", "golden": None, "reason": str(error)}
    return row | {"state": "verified", "golden": len(served.manifest.golden), "reason": None}


models.add_command(tune)
