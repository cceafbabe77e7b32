"""The quality benchmark: its tasks are specs that can run, and its verdicts are right."""

from dataclasses import replace

import pytest

from tuner.resolve import resolve
from tuner.spec import spec_from_mapping

STAND_INS = {"mlp": "diabetes"}
"""Trainer -> data that ship with the project, for a table of its own; images are digits."""


@pytest.fixture
def quality(monkeypatch, request):
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(str(request.config.rootpath / "benchmarks"))
    import quality

    return quality


def stand_in(task):
    """Data that need no file and are of the kind of the task's."""
    if not task.needs_files:
        return task.data
    return "digits" if "idx" in task.data else STAND_INS[task.trainer]


def test_every_task_is_a_spec_that_can_run(quality):
    """Trainer, axes, pruner and objectives of each task, and of what it is compared with."""
    for task in quality.TASKS.values():
        keys = {"trainer": task.trainer, "data": stand_in(task), **task.spec}
        spaces = [task.space, task.published, {**task.space, **task.without}]
        for space in spaces:
            resolved = resolve(spec_from_mapping(keys | {"space": dict(space)}))
            assert resolved.spec.trainer == task.trainer


def test_the_verdict_is_that_of_medians(quality):
    """A goal is reached at its aim, or at the median of the others where it has none."""
    low = quality.Goal("error", float, 0.5, "0.4", is_low=True)
    assert "<= 0.5    reached" in low.line([0.4, 0.5, 0.9], "")
    assert "missed by 0.1 " in low.line([0.4, 0.6, 0.9], "")
    free = replace(low, aim=None, is_low=False)
    line = free.line([0.4, 0.5, 0.9], "", [0.7, 0.6, 0.1], "without")
    assert ">= 0.6    missed by 0.1 " in line
    assert "without 0.6 (0.1 to 0.7); 0.4" in line


def test_a_task_is_compared_with_a_study_of_the_same_budget(quality, monkeypatch, capsys):
    """The line of a task has the figures of both studies, and what was spent."""
    task = quality.Task(
        "dbn",
        "digits",
        2,
        (quality.Goal("accuracy", quality.on_test("test_accuracy"), None, "pretraining"),),
        epochs=3,
        space={"n_labels": 50, "units": 32, "layers": 1, "batch_size": 32},
        spec=quality.WHOLE,
        without={"pretraining": "none"},
    )
    monkeypatch.setitem(quality.TASKS, "few", task)
    monkeypatch.setattr("sys.argv", ["quality.py", "few", "--seeds", "1", "--inline"])
    quality.main()
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    assert line.startswith("few ")
    for words in (" 2 trials ", " of a core ", " without 0."):
        assert words in line
    assert "few seed 0: accuracy 0." in printed.err
