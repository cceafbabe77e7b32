"""The commands that write a study to a file: reports and tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuner.cli import options, service
from tuner.cli.terminal import say
from tuner.errors import InputError
from tuner.files import check_ordinary

if TYPE_CHECKING:
    from tuner.study import Study


@click.command()
@click.argument("names", metavar="STUDY...", nargs=-1, required=True)
@options.out_file
@options.storage
def report(names: tuple[str, ...], out: Path | None, storage: str | None) -> int:
    """Write one self-contained HTML file; several studies are compared."""
    check_folder(out)
    first, *others = [service.load(name, storage) for name in names]
    say(str(write_report(first, out, *others)))
    return 0


@click.command()
@options.study_name
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="trials.csv, .json or .parquet; with --figure a name that ends in .png or .svg.",
)
@click.option(
    "--figure", metavar="NAME", help="Draw this figure instead, such as history or contours."
)
@options.storage
def export(name: str, out: Path, figure: str | None, storage: str | None) -> int:
    """Write the trials of a study as a table, or one of its figures as a picture.

    Pictures are drawn by Chromium, which must be on the path.
    """
    check_folder(out)
    study = service.load(name, storage)
    try:
        if figure is None:
            study.export(out)
        else:
            study.plot.save(figure, out)
    except OSError as error:
        raise _unwritable(out, error) from error
    say(str(out))
    return 0


def write_report(study: Study, out: Path | None, *others: Study) -> Path:
    """The file that a report of `study`, compared with `others`, was written to.

    Args:
        study: The first study.
        out: The file; None is `report.html` in the study's own folder, which is named by id.
        *others: Further studies on the same page.

    Raises:
        InputError: It cannot be written. The study is untouched.
    """
    path = out or study.artifacts / "report.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return service.write_report([study, *others], path)
    except OSError as error:
        raise _unwritable(path, error) from error


def check_folder(out: Path | None) -> None:
    """Makes sure, before any work is done, that there is a folder for `out`.

    Raises:
        InputError: There is none, or something else than an ordinary file is at `out`.
    """
    if out is None:
        return
    if not out.parent.is_dir():
        raise InputError(f"--out: folder {str(out.parent)!r} must exist, got {str(out)!r}")
    check_ordinary(out, "--out")


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be written ({error.strerror}); the study is in the database")
