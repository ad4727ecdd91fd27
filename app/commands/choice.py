"""Which versions a command is about."""

from difflib import get_close_matches

import click

from app.registry.repository import Repository


def chosen_versions(repository: Repository, name: str | None, version: str | None) -> list[tuple[str, str]]:
    """The versions that were named, oldest first; all when no model was."""
    every = list(repository.versions())
    of_model = [found for found in every if name in (None, found[0])]
    if name is not None and not of_model:
        near = get_close_matches(name, {found[0] for found in every}, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else "See: flask --app wsgi models list"
        raise click.ClickException(f"There is no model '{name}' in {repository.root}. {hint}")
    chosen = [found for found in of_model if version in (None, found[1])]
    if version is not None and not chosen:
        known = ", ".join(found[1] for found in of_model)
        raise click.ClickException(f"Model '{name}' has no version '{version}'; it has {known}.")
    return chosen
