"""``flask --app wsgi keys``: make, list, rotate and revoke API keys in the store the servers read."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import time
from typing import Any

import click

from app.commands.durations import DURATION
from app.commands.output import as_json_option, example, print_json, print_table, when
from app.gateway.api_keys import ApiKey
from app.gateway.key_desk import KeyNotFound
from app.services import services
from app.state.base import StateUnavailable


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke API keys."""


@keys.command(
    epilog=example("flask --app wsgi keys create --name checkout --role predictor --quota requests=200/second")
)
@click.option("--name", required=True, help="Who will use it; shown in lists and logs.")
@click.option("--role", required=True, help="A role of config/roles.yaml: viewer, predictor, operator, admin.")
@click.option("--expires", type=DURATION, help="How long it is good for, for example 90d; else until revoked.")
@click.option("--model", "models", multiple=True, help="Only for this model; may be given several times.")
@click.option(
    "--quota",
    "quotas",
    multiple=True,
    metavar="UNIT=LIMIT",
    help="requests=100/minute or rows=5000/hour; several times.",
)
@as_json_option
def create(
    name: str, role: str, expires: float | None, models: tuple[str, ...], quotas: tuple[str, ...], as_json: bool
) -> None:
    """Make a key. It is shown once and cannot be shown again."""
    with _trouble_told():
        key, record = services().key_desk().create(name, role, expires, models or None, quotas)
    _show_new(key, record, as_json)


@keys.command("list")
@as_json_option
def list_keys(as_json: bool) -> None:
    """Every key ever made, and whether it is still good."""
    with _trouble_told():
        rows = [_row(record) for record in services().key_desk().records()]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(
            ["id", "name", "role", "state", "created", "expires", "quotas"],
            [[row["id"], row["name"], row["role"], row["state"], row["created"], row["expires"] or "never",
              "; ".join(row["quotas"]) or "of the role"] for row in rows],
        )  # fmt: skip
    else:
        click.echo("No keys yet. Make one:  flask --app wsgi keys create --name NAME --role predictor")


@keys.command()
@click.argument("key_id")
@as_json_option
def revoke(key_id: str, as_json: bool) -> None:
    """End a key; every server refuses it within two seconds."""
    with _trouble_told():
        record = services().key_desk().revoke(key_id)
    if as_json:
        print_json(_row(record))
    else:
        click.echo(f"Revoked {record.id} ({record.name}).")


@keys.command()
@click.argument("key_id")
@click.option("--grace", type=DURATION, default="1d", show_default=True, help="How long the old key stays good.")
@as_json_option
def rotate(key_id: str, grace: float, as_json: bool) -> None:
    """Make a successor with the same rights; both keys are good for the grace time."""
    with _trouble_told():
        key, record = services().key_desk().rotate(key_id, grace)
    _show_new(key, record, as_json)


@contextmanager
def _trouble_told() -> Iterator[None]:
    """What can go wrong, as one sentence and exit code 1."""
    try:
        yield
    except KeyNotFound as error:
        raise click.ClickException(f"There is no key {error}; keys list shows them.") from None
    except ValueError as error:
        raise click.ClickException(f"{error}.") from None
    except (StateUnavailable, OSError) as error:
        raise click.ClickException(f"The key store cannot be used now: {error}.") from None


def _show_new(key: str, record: ApiKey, as_json: bool) -> None:
    if as_json:
        print_json({"key": key, **_row(record)})
        return
    click.echo(key)
    click.echo(
        f"\nKeep it now; it is not stored and cannot be shown again. Id {record.id}, role {record.role}.", err=True
    )
    click.echo(f"Use it:  curl -H 'X-API-Key: {key}' ...", err=True)


def _row(record: ApiKey) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "role": record.role,
        "state": record.state(time()),
        "created": when(record.created),
        "expires": None if record.expires is None else when(record.expires),
        "revoked": None if record.revoked is None else when(record.revoked),
        "models": list(record.models) if record.models is not None else None,
        "quotas": list(record.quotas),
        "replaced_by": record.replaced_by,
    }
