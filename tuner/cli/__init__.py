"""The command line: hides how options become a spec, and a study lines and an exit code."""

from tuner.cli.app import main, run

__all__ = ["main", "run"]
