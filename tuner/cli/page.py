"""The help of every command as one Markdown page: `python -m tuner.cli.page docs/cli.md`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tuner.cli.app import commands

_INTRODUCTION = """\
# The command line

Written by `make docs` from the commands themselves; a test holds it against them.
"""


def help_page() -> str:
    """Markdown with the help of `tuner` and of each of its commands, 80 columns wide."""
    sections = [_INTRODUCTION, _section("tuner", commands)]
    sections += [_section(f"tuner {name}", command) for name, command in commands.commands.items()]
    return "\n".join(sections)


def _section(title: str, command: click.Command) -> str:
    context = click.Context(command, info_name=title, terminal_width=80)
    return f"## {title}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(help_page(), encoding="utf-8")
