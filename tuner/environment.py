"""What a study ran on: versions, machine, commit and command line, kept with its spec."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from tuner.credentials import without_user

PACKAGES = ("tuner-hpo", "optuna", "torch", "ray", "sqlalchemy", "plotly", "numpy", "scikit-learn")


def environment(fingerprint: str | None) -> dict[str, Any]:
    """Facts that explain a study's figures later; none of them is secret.

    Args:
        fingerprint: Of the data, or None for a function.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": {"host": platform.node(), "cpus": os.cpu_count(), "cpu": _cpu_model()},
        "packages": {name: _version(name) for name in PACKAGES},
        "git": _git(),
        "command": [Path(sys.argv[0]).name, *_without_urls(sys.argv[1:])],
        "data_fingerprint": fingerprint,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str | None:
    """What the processor calls itself, where the system says; results may differ between two."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None)


def _git() -> dict[str, Any] | None:
    """Commit of the current directory and whether it has changes; None outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return None
    commit = _output([git, "rev-parse", "HEAD"])
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(_output([git, "status", "--porcelain"]))}


def _output(command: list[str]) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else None


def _without_urls(words: list[str]) -> list[str]:
    """The words of a command line, but no address with a user or a password."""
    return ["***" if without_user(word) != word else word for word in words]
