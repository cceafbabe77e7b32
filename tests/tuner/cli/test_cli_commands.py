"""Commands turn a study into lines, JSON and exit codes, and mistakes into one line each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.cli import service
from tuner.cli.options import SPEC_OPTIONS
from tuner.credentials import without_password
from tuner.errors import InputError, StorageError
from tuner.spec import Spec

Run = Callable[..., Any]


def test_every_key_of_a_spec_is_an_option() -> None:
    """The options, declared by hand so that help is quick, are the spec's fields in order."""
    assert sorted(SPEC_OPTIONS) == sorted(Spec.model_fields)


def test_options_and_sets_become_the_spec(tuner: Run, launched: dict[str, Any]) -> None:
    """Options in kebab case, short names of parts and nested paths all reach the spec."""
    ran = tuner(
        *[
            "launch",
            "--trainer",
            "mlp",
            "--data",
            "digits",
            "--time-limit-s",
            "60",
            "--sampler",
            "random",
        ],
        *["--pruner", "median", "--set", "pruner.warmup=2", "--gpus-per-lane", "0.5", "--inline"],
    )
    assert ran.code == 0, ran.err
    spec = launched["spec"]
    assert (spec.trainer, spec.data.name, spec.time_limit_s) == ("mlp", "digits", 60.0)
    assert (spec.sampler.name, spec.pruner.options) == ("random", {"warmup": 2})
    assert (spec.gpus_per_lane, launched["inline"], launched["force"]) == (0.5, True, False)


def test_launch_ends_with_best_trial_and_paths(
    tuner: Run, launched: dict[str, Any], tmp_path: Path
) -> None:
    """Standard output holds the best trial, the test figures, the database and the report."""
    out = tmp_path / "r.html"
    ran = tuner("launch", "--trainer", "mlp", "--out", str(out))
    assert ran.code == 0
    for fact in ("trial 1: validation_loss=0.25", "units = 64", "0.975", "sqlite:///", str(out)):
        assert fact in ran.out
    assert out.exists()


def test_report_stands_in_the_studys_folder(
    tuner: Run, launched: dict[str, Any], study: Any
) -> None:
    """Without --out the report is named by the study's id, not by its name."""
    assert tuner("launch", "--trainer", "mlp").code == 0
    assert (study.artifacts / "report.html").exists()


def test_no_report_writes_none(tuner: Run, launched: dict[str, Any], study: Any) -> None:
    """--no-report leaves no file."""
    assert tuner("launch", "--trainer", "mlp", "--no-report").code == 0
    assert not study.artifacts.exists()


def test_launch_as_json(tuner: Run, launched: dict[str, Any], study: Any) -> None:
    """--json prints one object on standard output, and nothing that an objective prints."""
    ran = tuner("launch", "--trainer", "mlp", "--json")
    said = json.loads(ran.out)
    assert said["best"] == [
        {"trial": 1, "values": {"validation_loss": 0.25}, "params": study.params}
    ]
    assert said["trials"]["failed"] == 1
    assert said["report"].endswith("report.html")
    assert "from an objective" in ran.err


@pytest.mark.parametrize(("signal", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_interruption_ends_with_the_resume_command(
    tuner: Run, launched: dict[str, Any], study: Any, signal: str, code: int
) -> None:
    """The exit code names the signal, and the last line goes on when it is pasted."""
    study.interrupted, study.name = signal, "it's; rm"
    ran = tuner("launch", "--trainer", "mlp")
    assert ran.code == code
    assert ran.err.splitlines()[-1] == "tuner resume 'it'\"'\"'s; rm'"


def test_resume_command_names_another_storage_without_password(
    tuner: Run, launched: dict[str, Any], study: Any
) -> None:
    """A storage that is not the default is named, its password is not."""
    study.interrupted, study.storage = "SIGINT", "postgresql://ann:secret@db/tuner"
    ran = tuner("launch", "--trainer", "mlp")
    assert "secret" not in ran.out + ran.err
    last = ran.err.splitlines()[-1]
    assert last.startswith("tuner resume --storage 'postgresql://ann:***@db/tuner' digits-mlp")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///a b.db", "sqlite:///a b.db"),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
        ("postgresql+psycopg://u:p@s:s@h/d", "postgresql+psycopg://u:***@h/d"),
        (
            "postgresql:///d?host=/s&password=p&user=u",
            "postgresql:///d?host=/s&password=***&user=u",
        ),
        ("postgresql://me:a/b?c@db/x", "postgresql://me:***@db/x"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("cannot reach http://me:s/ecret@host:1 now", "cannot reach http://me:***@host:1 now"),
    ],
)
def test_passwords_are_hidden_wherever_they_stand(url: str, shown: str) -> None:
    """Neither the user part nor the query shows one; the rest is as it was."""
    assert without_password(url) == shown


def test_only_failures_is_exit_code_1(tuner: Run, launched: dict[str, Any], study: Any) -> None:
    """A study in which every trial failed did not succeed."""
    study.counts = {"FAIL": 3}
    assert tuner("launch", "--trainer", "mlp").code == 1


def test_mistakes_are_one_line_each(tuner: Run, tmp_path: Path) -> None:
    """Bad input is exit code 2 with a line per mistake and no traceback."""
    spec = tmp_path / "s.yaml"
    spec.write_text("trainer: mlp\nepochs: 0\ntrails: 5\n", encoding="utf-8")
    ran = tuner("launch", str(spec), "--seed", "x")
    assert ran.code == 2
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert len(lines) == 3
    assert any(line.startswith(f"{spec}:2: epochs: ") for line in lines)


def test_wrong_option_is_one_line(tuner: Run) -> None:
    """An unknown option is exit code 2 and one line that says where help is."""
    ran = tuner("launch", "--trails", "3")
    assert ran.code == 2
    assert ran.err.startswith("tuner launch: no such option")
    assert ran.err.endswith("see tuner launch --help\n")
    assert ran.err.count("\n") == 1


def test_storage_trouble_is_exit_code_3(tuner: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreachable database is told apart from bad input, and cannot paint the terminal."""

    def fail(_storage: str | None) -> list[Any]:
        raise StorageError("storage 'x': locked \x1b[2J")

    monkeypatch.setattr(service, "list_studies", fail)
    ran = tuner("studies")
    assert (ran.code, ran.err) == (3, "storage 'x': locked \\x1b[2J\n")


def test_ctrl_c_without_a_study_is_exit_code_130(
    tuner: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before there is anything to resume ends without a traceback."""

    def fail(_storage: str | None) -> list[Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(service, "list_studies", fail)
    ran = tuner("studies")
    assert ran.code == 130
    assert "Traceback" not in ran.err


def test_folder_of_out_is_checked_before_any_work(
    tuner: Run, launched: dict[str, Any], tmp_path: Path
) -> None:
    """A report that has no folder stops a launch before it starts."""
    ran = tuner("launch", "--trainer", "mlp", "--out", str(tmp_path / "no" / "r.html"))
    assert ran.code == 2
    assert "spec" not in launched


def test_show_tells_state_best_and_failures(
    tuner: Run, launched: dict[str, Any], study: Any
) -> None:
    """Failures come with their reasons, and escapes in them are inert."""
    ran = tuner("show", "digits-mlp", "--lanes")
    assert ran.code == 0
    assert "digits-mlp (finished)" in ran.out
    assert "3 of 3: 2 complete, 1 failed" in ran.out
    assert "trial 2: error: ValueError: \\x1b[31mred" in ran.out
    assert "cpu" in ran.out
    assert "\x1b" not in ran.out


def test_show_tells_what_was_found(tuner: Run, launched: dict[str, Any]) -> None:
    """Each kind is a line with the trials it showed in, by how they ended; escapes are inert."""
    ran = tuner("show", "digits-mlp")
    wanted = (
        "mode \\x1b[31mcollapse: 1 failed (trial 9), 9 pruned (trials 0, 1, 2, 3, 4, 5, 6, 7, ...)"
    )
    assert f"found       {wanted}" in ran.out
    said = json.loads(tuner("show", "digits-mlp", "--json").out)["findings"]
    assert list(said.values()) == [{"PRUNED": list(range(9)), "FAIL": [9]}]


def test_show_lanes_tells_how_full_they_were(tuner: Run, launched: dict[str, Any]) -> None:
    """Shares are percents, a lane without a turn has no line there, most stacks are named."""
    lines = [line.split() for line in tuner("show", "digits-mlp", "--lanes").out.splitlines()]
    assert ["0", "118", "7.5", "93%", "1%", "97%", "1%", "1%", "1%", "1%"] in lines
    assert ["batch_size=32", "\\x1b[31munits<=64", "25%", "3"] in lines
    assert "9 more kinds of stack" in " ".join(lines[-1])


def test_show_as_json_holds_lanes_on_request(tuner: Run, launched: dict[str, Any]) -> None:
    """--json with --lanes has them, without it has not."""
    assert json.loads(tuner("show", "digits-mlp", "--lanes", "--json").out)["lanes"]
    assert "lanes" not in json.loads(tuner("show", "digits-mlp", "--json").out)


def test_resume_passes_its_options(tuner: Run, launched: dict[str, Any], study: Any) -> None:
    """`resume` extends the study it loads from the storage that is named."""
    ran = tuner(
        *["resume", "digits-mlp", "--trials", "9", "--storage", "sqlite:///a.db", "--inline"]
    )
    assert ran.code == 0
    assert launched["loaded"] == ("digits-mlp", "sqlite:///a.db")
    assert study.resumed == [{"trials": 9, "objective": None, "inline": True, "force": False}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "study 'digits-mlp': has 3 trials and is finished; --trials N gives it N in all\n"),
        (["--trials", "3"], "study 'digits-mlp': has 3 trials; --trials 3 adds none\n"),
        (["--trials", "2"], "study 'digits-mlp': has 3 trials; --trials 2 adds none\n"),
        (["--trials", "4"], ""),
    ],
)
def test_resume_says_that_it_begins_no_trial(
    tuner: Run, launched: dict[str, Any], given: list[str], said: str
) -> None:
    """A finished study, and a budget that is used already, are told in one line, exit code 0."""
    ran = tuner("resume", "digits-mlp", "--inline", "--no-report", *given)
    assert (ran.code, ran.err) == (0, said)


@pytest.mark.parametrize(("state", "said"), [("running", "asked to stop"), ("finished", "nobody")])
def test_stop_says_what_it_did(
    tuner: Run, launched: dict[str, Any], study: Any, state: str, said: str
) -> None:
    """Stopping is exit code 0, whether or not there was anybody to stop."""
    study.state = state
    ran = tuner("stop", "digits-mlp")
    assert ran.code == 0
    assert said in ran.out


def test_export_prints_its_path(tuner: Run, launched: dict[str, Any], tmp_path: Path) -> None:
    """The table is where standard output says."""
    ran = tuner("export", "digits-mlp", "--out", str(tmp_path / "t.csv"))
    assert (ran.code, ran.out) == (0, f"{tmp_path / 't.csv'}\n")
    assert (tmp_path / "t.csv").exists()


def test_export_draws_a_figure(tuner: Run, launched: dict[str, Any], tmp_path: Path) -> None:
    """With --figure the file holds the picture instead of the table."""
    out = tmp_path / "history.svg"
    ran = tuner("export", "digits-mlp", "--out", str(out), "--figure", "history")
    assert (ran.code, ran.out) == (0, f"{out}\n")
    assert out.read_text(encoding="utf-8") == "history"


def test_failures_beyond_ten_are_counted(
    tuner: Run, launched: dict[str, Any], study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study with a thousand failures still fits a screen; JSON lists them all."""
    failures = [(i, "error", "boom") for i in range(1000)]
    monkeypatch.setattr(type(study), "failures", lambda _self: failures)
    ran = tuner("show", "digits-mlp")
    assert ran.out.count("boom") == 10
    assert "and 990 more" in ran.out
    assert len(json.loads(tuner("show", "digits-mlp", "--json").out)["failures"]) == 1000


def test_report_compares_several(tuner: Run, launched: dict[str, Any], tmp_path: Path) -> None:
    """All studies that are named go into one file, whose path is printed."""
    out = tmp_path / "r.html"
    ran = tuner("report", "digits-mlp", "digits-mlp", "--out", str(out))
    assert ran.out == f"{out}\n"
    assert out.read_text(encoding="utf-8").count("<html>") == 2


def test_unwritable_report_names_the_file(
    tuner: Run, launched: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A full disk is one line with the path; the study is safe."""

    def fail(_studies: list[Any], _path: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service, "write_report", fail)
    out = tmp_path / "r.html"
    ran = tuner("report", "digits-mlp", "--out", str(out))
    assert ran.code == 2
    assert ran.err.startswith(f"{out}: cannot be written (No space left on device)")


def test_unknown_study_is_exit_code_2(tuner: Run, launched: dict[str, Any]) -> None:
    """A study that is not there is bad input."""
    assert tuner("show", "other").code == InputError.exit_code


def test_check_reports_as_json(tuner: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """--json lists the mistakes on standard output, still with exit code 2."""

    def fail(*_given: Any) -> Spec:
        raise InputError(["epochs: must be at least 1, got 0", "seed: must be at least 0, got -1"])

    monkeypatch.setattr(service, "check_spec", fail)
    ran = tuner("check", "--json")
    assert ran.code == 2
    assert len(json.loads(ran.out)["problems"]) == 2


def test_check_prints_the_spec(tuner: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spec without a mistake comes back with every key."""
    monkeypatch.setattr(service, "check_spec", lambda *_given: Spec(trainer="mlp"))
    said = json.loads(tuner("check", "--json", "--trainer", "mlp").out)
    assert said["ok"]
    assert said["spec"]["trials"] == 100
