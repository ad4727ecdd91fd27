"""Commands of ``flask --app wsgi``. Each is imported when it is used, so a serving worker carries none of them.

To add a group of commands: write its module here and name it in ``COMMANDS``.
"""

from importlib import import_module
from typing import cast

import click

COMMANDS = {
    "models": ("app.commands.models:models", "Bring models in, look at them, verify them."),
    "cache": ("app.commands.cache:cache", "Look at, clear and fill the cache of a running server."),
    "keys": ("app.commands.keys:keys", "Make, list, rotate and revoke API keys."),
    "traffic": ("app.commands.traffic:traffic", "Which version of a model answers how much."),
    "rollout": ("app.commands.rollout:rollout", "Let a version take over in steps that it must pass."),
}
"""Name -> ``module:attribute`` of a click group, and the line that ``--help`` shows."""


class LazyGroup(click.Group):
    """Stands for a group of another module until somebody uses it."""

    def __init__(self, name: str, place: str, about: str) -> None:
        super().__init__(name, help=about)
        self._place = place

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the real group's commands."""
        return self._real().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command of the real group."""
        return self._real().get_command(ctx, cmd_name)

    def _real(self) -> click.Group:
        module, _, attribute = self._place.partition(":")
        return cast(click.Group, getattr(import_module(module), attribute))


def register_commands(cli: click.Group) -> None:
    """Make every group known by its name."""
    for name, (place, about) in COMMANDS.items():
        cli.add_command(LazyGroup(name, place, about))
