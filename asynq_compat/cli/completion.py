"""How does a shell learn to complete commands?

Contract: click's own script for the shell; what it completes is asked of `asynq-compat` itself, which opens no broker for it.
"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from asynq_compat.cli.output import print_text


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print what a shell needs to complete commands.

    \b
    Examples:
      asynq-compat completion bash > ~/.local/share/bash-completion/completions/asynq-compat
      asynq-compat completion zsh > "${fpath[1]}/_asynq-compat"
      asynq-compat completion fish > ~/.config/fish/completions/asynq-compat.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # Those of click's choice are click's.
    print_text(kind(context.find_root().command, {}, "asynq-compat", "_ASYNQ_COMPAT_COMPLETE").source())
