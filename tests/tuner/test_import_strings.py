"""Own code by import string: what is found, and what is refused before anything begins."""

import sys

import pytest

from tuner.errors import InputError
from tuner.spec import import_objective

OBJECTIVES = """\
def good(trial): return 0.0
def train(params, report): return 0.0
def none(): return 0.0
def keyword(*, trial): return 0.0
def lenient(trial, verbose=False): return 0.0
class Callable:
    def __call__(self, trial): return 0.0
instance = Callable()
number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the current directory, forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "own_objectives.py").write_text(OBJECTIVES)
    (tmp_path / "raising.py").write_text("raise RuntimeError('line one\\nno GPU here')")
    (tmp_path / "leaving.py").write_text("import sys; sys.exit(3)")
    (tmp_path / "needing.py").write_text("import no_such_module_at_all")
    yield tmp_path
    for name in ("own_objectives", "raising", "leaving", "needing"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "takes_report"),
    [("good", False), ("lenient", False), ("instance", False), ("train", True)],
)
def test_a_function_is_imported_from_the_current_directory(module, name, takes_report):
    """Functions and callables with the right arguments are found."""
    assert callable(import_objective(f"own_objectives:{name}", takes_report))


@pytest.mark.parametrize(
    ("name", "takes_report", "part"),
    [
        ("own_objectives", False, "must be module:function, got 'own_objectives'"),
        ("no_such:f", False, "no module 'no_such' is in "),
        ("own_objectives.deep:f", False, "no module 'own_objectives.deep'"),
        ("own_objectives:god", False, "unknown name in own_objectives 'god'; did you mean 'good'?"),
        ("own_objectives:number", False, "own_objectives:number must be a function, got int"),
        ("own_objectives:none", False, "must accept (trial), as functions without a space do"),
        ("own_objectives:train", False, "must accept (trial)"),
        ("own_objectives:keyword", False, "must accept (trial)"),
        ("own_objectives:good", True, "must accept (params, report), as functions with a space do"),
        ("raising:f", False, "importing raising failed: RuntimeError: no GPU here"),
        ("leaving:f", False, "importing leaving failed: SystemExit: 3"),
        ("needing:f", False, "importing needing failed: No module named 'no_such_module_at_all'"),
    ],
)
def test_an_objective_that_cannot_be_used_is_refused(module, name, takes_report, part):
    """Whatever is wrong with it is said in one line, before anything starts."""
    with pytest.raises(InputError) as caught:
        import_objective(name, takes_report)
    (line,) = caught.value.problems
    assert line.startswith("objective: ")
    assert part in line
