"""How does a command come to be without what it needs being imported before somebody asks for it?

Contract: a `LazyGroup` knows each command's place and the first line of its help; the command's module is imported when the command is run or
asked for its own help. A test holds the lines here against those of the commands.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import click

from asynq_compat.cli.connection import add_connection_options


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is.

    Attributes:
        module: Below `asynq_compat.cli`.
        name: Of the command in it.
        help: The first sentence of the command's help.
        aliases: Other names that it goes by.
    """

    module: str
    name: str
    help: str
    aliases: Sequence[str] = ()

    def load(self) -> click.Command:
        """Return the command."""
        command = getattr(import_module(f"asynq_compat.cli.{self.module}"), self.name)
        assert isinstance(command, click.Command)
        return command


class AliasedGroup(click.Group):
    """A group whose commands go by several names, and that says what may have been meant."""

    aliases: Mapping[str, str] = {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name or another one that it goes by."""
        command = super().get_command(ctx, self.aliases.get(cmd_name, cmd_name))
        if command is not None:
            add_connection_options(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant.

        Raises:
            UsageError: There is none; the message names the nearest.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(self.list_commands(ctx))}"
            raise click.UsageError(f"no such command {args[0]!r}; {advice}", ctx) from None

    def alias(self, name: str, *others: str) -> None:
        """Let a command go by other names too."""
        self.aliases = {**self.aliases, **dict.fromkeys(others, name)}


class LazyGroup(AliasedGroup):
    """A group whose commands are imported when they are needed."""

    def __init__(self, *, places: Mapping[str, Place], **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]  # click's own settings, passed on as they are
        self.places = places
        for name, place in places.items():
            self.alias(name, *place.aliases)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, as they stand in the table."""
        del ctx
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        place = self.places.get(self.aliases.get(cmd_name, cmd_name))
        if place is None:
            return None
        command = place.load()
        if not isinstance(command, click.Group):
            add_connection_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, importing none."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.help) for name, place in self.places.items()])
