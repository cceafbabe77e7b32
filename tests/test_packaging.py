"""The wheel holds all that the packages need, and works where there is no checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "trials", "tuner")


def pip(*arguments: str) -> None:
    """Runs pip of this environment, without network."""
    command = [sys.executable, "-m", "pip", "--quiet", "--no-input", *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel is installed."""
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--no-deps", "--no-index", "--target", str(folder), str(wheel))
    return folder


def test_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    """Data, styles and type marks travel along; tests do not."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == ours


def test_installed_packages_are_imported_from_the_wheel(site: Path, tmp_path: Path) -> None:
    """Outside the checkout all three packages come from where the wheel was installed."""
    code = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import search_spaces, trials, tuner; "
        "print(search_spaces.__file__, trials.__file__, tuner.__file__, sep='\\n')"
    )
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert all(Path(line).is_relative_to(site) for line in ran.stdout.splitlines())


def test_installed_command_answers(site: Path, tmp_path: Path) -> None:
    """The installed `tuner` command prints its help and its version."""
    environment = {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"}
    for option, answer in (("--help", "Usage: tuner"), ("--version", "tuner 0.1.0")):
        ran = subprocess.run(
            [sys.executable, str(site / "bin" / "tuner"), option],
            cwd=tmp_path,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        assert ran.stdout.startswith(answer)
