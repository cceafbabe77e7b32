"""What the README and the pages in docs/ promise is there, and what is there is in them."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import optuna
import pytest
import yaml

import tuner
from trials import TRAINERS
from trials.contract import Row
from trials.data import DATASETS, load
from tuner.algorithms import PRUNERS, SAMPLERS
from tuner.cli.app import commands
from tuner.cli.page import help_page
from tuner.spec import Spec, read_spec, spec_from_mapping

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = README + "".join(
    page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))
)


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of that language in a Markdown text."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def shown_commands(text: str) -> Iterator[list[str]]:
    """Every command line of the shell blocks and consoles of a page, split as a shell does."""
    whole = text.replace("\\\n", " ")
    lines = "".join(blocks(whole, "sh")).splitlines()
    console = "".join(blocks(whole, "console")).splitlines()
    lines += [line[2:] for line in console if line.startswith("$ ")]
    for line in lines:
        if words := shlex.split(line, comments=True):
            yield words


def options_of(command: click.Command) -> set[str]:
    """Every option that a command takes."""
    return {option for parameter in command.params for option in parameter.opts}


def test_help_page_is_up_to_date() -> None:
    """docs/cli.md is what `make docs` writes."""
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == help_page()


@pytest.mark.parametrize("name", commands.commands)
def test_every_command_is_in_the_readme(name: str) -> None:
    """The table of commands is complete."""
    assert f"`tuner {name}" in README


def test_commands_of_the_readme_exist() -> None:
    """Every `tuner` and `make` line names a command that is there, with options it takes."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for program, *words in shown_commands(README):
        if program == "make":
            assert re.search(rf"^{words[0]}:", makefile, re.MULTILINE), words
        elif program == "tuner":
            wanted = {word for word in words if word.startswith("--")}
            assert wanted <= options_of(commands.commands[words[0]]), words
        else:
            assert program == "cd"
            assert (ROOT / words[0]).is_dir()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_commands_of_the_pages_are_parsed(page: Path) -> None:
    """Every `tuner` line of a page, inside a sentence too, is one that its command accepts."""
    text = page.read_text(encoding="utf-8")
    lines = [words for words in shown_commands(text) if words[0] == "tuner"]
    lines += map(shlex.split, re.findall(r"`(tuner [^`<\n]* [^`<\n]*--[^`<\n]*)`", text))
    for _, name, *words in lines:
        command = commands.commands[name]
        command.make_parser(click.Context(command, info_name=name)).parse_args(words)


def test_links_of_the_pages_lead_somewhere() -> None:
    """No link to a file of ours is dead."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize(
    "name", sorted({*TRAINERS, *DATASETS, *SAMPLERS, *PRUNERS, *Spec.model_fields})
)
def test_every_name_is_documented(name: str) -> None:
    """Each trainer, set of data, sampler, pruner and key of a spec is in a page."""
    assert re.search(rf"`{re.escape(name)}`|^{re.escape(name)}: ", PAGES, re.MULTILINE)


@pytest.mark.parametrize(
    ("row", "table"),
    [("trainers", TRAINERS), ("samplers", SAMPLERS), ("pruners", PRUNERS), ("data", DATASETS)],
)
def test_readme_names_what_there_is_and_nothing_else(row: str, table: dict[str, str]) -> None:
    """The README's lists of names are the tables."""
    (names,) = re.findall(rf"^\| {row} \| (.*) \|$", README, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", names)) == set(table)


def test_spec_page_has_every_key_with_its_default() -> None:
    """The list of keys in docs/spec.md is the empty spec, in its order."""
    page = (ROOT / "docs" / "spec.md").read_text(encoding="utf-8")
    keys = yaml.safe_load(blocks(page, "yaml")[0])
    assert list(keys) == list(Spec.model_fields)
    assert spec_from_mapping(keys) == Spec()


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda p: p.name)
def test_examples_are_legal_specs(path: Path) -> None:
    """Every example names a trainer and has no mistake."""
    assert read_spec(path, environment={}).trainer in TRAINERS


def test_python_example_runs_as_shown(tmp_path: Path) -> None:
    """The README's Python runs, resumes its study and leaves a report."""
    (code,) = blocks(README, "python")
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "report.html").stat().st_size > 0


def test_functions_of_the_page_on_objectives_are_tuned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both blocks of the page run as shown, and find the lowest point nearly."""
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "own-objective.md").read_text(encoding="utf-8")
    bests = []
    for code in blocks(page, "python"):
        names: dict[str, Any] = {"__name__": "page"}
        exec(compile(code, "own-objective.md", "exec"), names)
        bests.append(names["study"].best_trial.value)
    assert len(bests) == 2
    assert max(bests) < 1.0


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module that the page on trainers writes out."""
    page = (ROOT / "docs" / "own-trainer.md").read_text(encoding="utf-8")
    (code,) = blocks(page, "python")
    (tmp_path / "line.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("line")
    del sys.modules["line"]


def test_trainer_of_the_page_is_tuned_and_replayed(line: Any, url: str) -> None:
    """The small trainer finds the line, and a replay gives the stored figures to the bit."""
    study = tuner.launch(line.Line, trials=12, study="lines", storage=url, inline=True)
    assert study.optuna.best_value < 1.0
    assert study.replay(study.best_trial.number).verdict == "identical"


def test_trainer_of_the_page_keeps_rows_apart(line: Any) -> None:
    """A row of the small trainer is the same to the bit alone, in company and from a checkpoint."""
    data = load("noisy_line", seed=0)
    rows = [Row(key, {"learning_rate": 0.1 * key, "l2": 0.01}, key, 4) for key in range(1, 6)]
    alone, company, again = (line.Line(data).cohort("line") for _ in range(3))
    alone.admit(rows[2:3])
    company.admit(rows)
    figures = [alone.advance()[0].metrics for _ in range(4)]
    assert [company.advance()[2].metrics for _ in range(2)] == figures[:2]
    again.admit(rows[2:3], {3: company.save(3)})
    assert [again.advance()[0].metrics for _ in range(2)] == figures[2:]
    company.evict([1, 2])
    assert [company.advance()[0].metrics for _ in range(2)] == figures[2:]


def test_example_objective_is_plain_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The objective runs under `study.optimize` alone, and knows nothing of the tuner."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    from objective import objective

    assert "tuner" not in vars(sys.modules[objective.__module__])
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(sampler=sampler, pruner=optuna.pruners.MedianPruner())
    study.optimize(objective, n_trials=20)
    states = {trial.state.name for trial in study.trials}
    assert states == {"COMPLETE", "PRUNED"}
