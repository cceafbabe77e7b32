"""The one door from the commands to the tuner: heavy modules are imported here, when needed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuner.errors import InputError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tuner.listing import StudySummary
    from tuner.messages import Snapshot
    from tuner.spec import Spec
    from tuner.study import Study


def storage_url(option: str | None) -> str:
    """The database that a command means: its option, else TUNER_STORAGE, else the default."""
    from tuner.study import default_storage

    return option or default_storage()


def read_spec(path: Path | None, options: dict[str, Any], sets: Sequence[str]) -> Spec:
    """The spec of a file and options, every mistake in it reported at once."""
    from tuner.spec import SpecError, read_spec

    try:
        return read_spec(path, options, sets)
    except SpecError as error:
        from tuner.spec_check import other_problems

        others = other_problems(error)
        placed = _with_lines(others, path, options, sets)
        raise InputError([*error.problems, *placed]) from error


def launch(
    spec: Spec, *, inline: bool, force: bool, on_progress: Callable[[Snapshot], None]
) -> Study:
    """The study that `spec` asks for, run until its budget is used or it is interrupted."""
    from tuner.surroundings import check_surroundings
    from tuner.warmup import warm_up

    check_surroundings(spec)
    with nullcontext() if inline else warm_up(spec) as warmup:
        from tuner.study import launch_spec  # a second of imports, while lanes do theirs

        return launch_spec(spec, warmup=warmup, inline=inline, force=force, on_progress=on_progress)


def load(name: str, storage: str | None) -> Study:
    """The study of that name in the database that the option means."""
    from tuner.study import load

    return load(name, storage=storage_url(storage))


def list_studies(storage: str | None) -> list[StudySummary]:
    """What is in the database that the option means."""
    from tuner.listing import list_studies

    return list(list_studies(storage_url(storage)))


def check_spec(path: Path | None, options: dict[str, Any], sets: Sequence[str]) -> Spec:
    """The spec with every default filled in, if it can be launched.

    Raises:
        InputError: Names every mistake, those of the file with its line.
    """
    spec = read_spec(path, options, sets)
    from tuner.spec_check import check_spec

    with naming_lines(path, options, sets):
        resolved = check_spec(spec)
    assert resolved is not None, "no key of it is wrong"
    return resolved.spec


@contextmanager
def naming_lines(path: Path | None, options: dict[str, Any], sets: Sequence[str]) -> Iterator[None]:
    """Mistakes found meanwhile in what a file says name its line.

    Raises:
        InputError: The mistakes.
    """
    try:
        yield
    except InputError as error:
        raise InputError(_with_lines(error.problems, path, options, sets)) from error


def _with_lines(
    problems: Sequence[str], path: Path | None, options: dict[str, Any], sets: Sequence[str]
) -> list[str]:
    from tuner.spec import with_lines

    overridden = [key for key, value in options.items() if value is not None]
    overridden += [entry.partition("=")[0].partition(".")[0] for entry in sets]
    return with_lines(problems, path, overridden)


def write_report(studies: Sequence[Study], path: Path) -> Path:
    """The file that a report of these studies was written to; several are compared."""
    from tuner.report.html import write_report

    return write_report([study.record() for study in studies], path)


@contextmanager
def dashboard(
    storage: str | None, artifacts: str | None, *, writes_notes: bool
) -> Iterator[WSGIApplication]:
    """The Optuna dashboard over the database that the option means, which is closed after.

    Args:
        storage: URL of the database.
        artifacts: Folder of files that objectives uploaded; None is the one beside the database.
        writes_notes: Meanwhile tell studies that nobody runs in notes and figures of the dashboard.
    """
    from optuna_dashboard import wsgi

    from tuner.artifact_store import PlainFiles
    from tuner.dashboard_guard import guarded
    from tuner.dashboard_notes import telling
    from tuner.launching import artifacts_folder
    from tuner.storage import open_storage

    url = storage_url(storage)
    folder = artifacts_folder(url, artifacts)
    opened = open_storage(url)
    try:
        with suppress(OSError):  # without the folder files cannot be uploaded, and all else works
            folder.mkdir(parents=True, exist_ok=True)
        application = wsgi(opened, artifact_store=PlainFiles(folder))
        with telling(opened, url) if writes_notes else nullcontext():
            yield guarded(application, opened)
    finally:
        opened.close()


def trainer_rows() -> list[tuple[str, str, int, str]]:
    """Name, default data, default epochs and one line about each trainer."""
    from trials import TRAINERS
    from tuner.resolve import load_trainer

    classes = {name: load_trainer(name) for name in TRAINERS}
    return [
        (name, found.default_data, found.default_epochs, _first_line(found))
        for name, found in classes.items()
    ]


def sampler_rows() -> list[tuple[str, str]]:
    """Name and one line about each sampler."""
    from tuner.algorithms import SAMPLERS
    from tuner.algorithms.options import description

    return [(name, description(entry)) for name, entry in SAMPLERS.items()]


def pruner_rows() -> list[tuple[str, str]]:
    """Name and one line about each pruner."""
    from tuner.algorithms import PRUNERS
    from tuner.algorithms.options import description

    return [(name, description(entry)) for name, entry in PRUNERS.items()]


def dataset_rows() -> list[tuple[str, str]]:
    """Name and one line about each set of data."""
    from trials.data import DATASETS, describe

    return [(name, describe(name)) for name in DATASETS]


def _first_line(documented: object) -> str:
    return (inspect.getdoc(documented) or "").partition("\n")[0]
