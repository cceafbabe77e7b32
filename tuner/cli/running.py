"""The commands that start, go on with and stop a study."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tuner.cli import options, service
from tuner.cli.facts import exit_code, needless, resume_command, say_facts, study_facts
from tuner.cli.files import check_folder, write_report
from tuner.cli.terminal import complain, note, plain, say, say_json
from tuner.errors import InputError

if TYPE_CHECKING:
    from tuner.messages import Snapshot
    from tuner.study import Study


@click.command()
@options.spec_options
@options.run_options
def launch(spec_file: Path | None, sets: tuple[str, ...], **given: Any) -> int:
    """Start a study, or go on with it, and show its progress.

    A study is what SPEC.yaml, the options and --set say, each overriding the one before.
    It ends with the best trial and the paths of database and report.
    """
    run = {key: given.pop(key) for key in ("inline", "force")}
    ending = {key: given.pop(key) for key in ("wants_report", "out", "as_json")}
    check_folder(ending["out"])
    spec = service.read_spec(spec_file, given, sets)
    with service.naming_lines(spec_file, given, sets):
        return _run(lambda view: service.launch(spec, on_progress=view, **run), **ending)


@click.command()
@options.spec_options
@options.as_json
def check(spec_file: Path | None, sets: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """Name all mistakes of a spec; nothing is started."""
    try:
        spec = service.check_spec(spec_file, given, sets)
    except InputError as error:
        if not as_json:
            raise
        say_json({"ok": False, "problems": error.problems})
        return error.exit_code
    if as_json:
        say_json({"ok": True, "problems": [], "spec": spec.to_plain()})
    else:
        say(f"{spec_file or 'options'}: no mistake found")
    return 0


@click.command()
@options.study_name
@click.option("--trials", type=click.IntRange(min=1), metavar="N", help="Trials in all from now.")
@options.own_code
@options.storage
@options.run_options
def resume(
    name: str, trials: int | None, objective: str | None, storage: str | None, **given: Any
) -> int:
    """Go on with a study after an interruption, or with more trials."""
    run = {key: given.pop(key) for key in ("inline", "force")}
    check_folder(given["out"])
    study = service.load(name, storage)
    if line := needless(study, trials):
        note(line)
    run |= {"trials": trials, "objective": objective}
    return _run(lambda view: study.resume(on_progress=view, **run), **given)


@click.command()
@options.study_name
@options.storage
def stop(name: str, storage: str | None) -> int:
    """End a running study cleanly from another terminal; it can be resumed."""
    study = service.load(name, storage)
    if study.request_stop():
        say(f"study {name!r}: asked to stop; its lanes save their trials and end")
    else:
        say(f"study {name!r}: nobody runs it ({study.state})")
    return 0


def _run(
    start: Callable[[Callable[[Snapshot], None]], Study],
    *,
    wants_report: bool,
    out: Path | None,
    as_json: bool,
) -> int:
    """Runs a study under the live view, prints how it ended and returns the exit code.

    What objectives and libraries print meanwhile goes to standard error: it is no result.
    """
    from tuner.cli.live import LiveView

    with redirect_stdout(sys.stderr), LiveView() as view:
        study = start(view)
    report = write_report(study, out) if wants_report else None
    facts = study_facts(study)
    if as_json:
        say_json(facts | {"interrupted": study.interrupted, "report": plain(report)})
    else:
        say_facts(facts, report)
    if study.interrupted:
        note(f"interrupted by {study.interrupted}; go on with:")
        complain([resume_command(study)])
    elif study.state == "interrupted":
        note("stopped before its trials were used up; go on with:")
        complain([resume_command(study)])
    return exit_code(study)
