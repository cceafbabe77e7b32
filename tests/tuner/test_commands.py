"""Command lines that a person can paste."""

from __future__ import annotations

import shlex

from tuner.commands import Commands

DEFAULT = "sqlite:///tuner.db"


def test_commands_of_a_study_by_hand() -> None:
    """Resume, show, save, replay and repeat, without the storage that is the default."""
    found = Commands("digits", DEFAULT, DEFAULT).about(7, is_whole=True)
    assert found == (
        "tuner resume digits",
        "tuner show digits",
        "tuner best --out best digits",
        "tuner replay digits 7",
        "tuner launch --study 'digits again' spec.yaml  # with the spec of the report in that file",
    )


def test_own_code_is_named_where_it_must_be_given_again() -> None:
    """A study of own code names it to resume and to replay; without a best trial less is told."""
    commands = Commands("mine", DEFAULT, DEFAULT, code="module:train")
    assert commands.resume() == "tuner resume --objective module:train mine"
    assert "tuner replay --objective module:train mine 3" in commands.about(3, is_whole=False)
    assert len(commands.about(None, is_whole=False)) == 2


def test_names_are_quoted_and_passwords_left_out() -> None:
    """A name that looks like an option or like shell is one word; no password is written."""
    name = "-x; rm $(y)"
    line = Commands(name, "postgresql://ann:secret@db/t", DEFAULT).resume()
    assert "secret" not in line
    words = shlex.split(line, comments=True)
    assert words == ["tuner", "resume", "--storage", "postgresql://ann:***@db/t", "--", name]
    assert line.endswith("# put the password for ***")
