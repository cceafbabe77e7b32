"""A spec against its trainer, data and space: what fits is filled in, what does not is named."""

import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest

import trials.data
from search_spaces import Categorical, Float, Int, Space
from trials.contract import Objective
from tuner.errors import InputError
from tuner.resolve import LARGEST_GRID, load_trainer, resolve
from tuner.spec import difference, spec_from_mapping

SPACE = Space(
    learning_rate=Float(1e-4, 1, log=True), units=Int(8, 128), loss=Categorical(["mse", "mae"])
)


@dataclass
class StandInData:
    """What `load` was asked for."""

    source: object
    arguments: dict
    fingerprint: str = "f1"
    notes: tuple[str, ...] = ("took y for classes",)


class StandInDataError(ValueError):
    """Data that cannot be used."""

    def __init__(self, *problems):
        super().__init__(*problems)
        self.problems = problems


class StandInTrainer:
    """A trainer of two objectives, which refuses data called `wrong`."""

    name: ClassVar[str] = "stand_in"
    default_epochs: ClassVar[int] = 12
    default_value: ClassVar[str] = "best"
    default_data: ClassVar[str] = "digits"
    objectives = (Objective("loss", "minimize"), Objective("accuracy", "maximize"))
    space = SPACE
    domain = Space(
        learning_rate=Float(1e-9, 10),
        units=Int(1, 200_000),
        loss=Categorical(["mse", "mae"]),
        dropout=Float(0, 0.9),
    )

    def __init__(self, data, device):
        if data.source == "wrong":
            raise StandInDataError("data: must have classes, got a regression task")
        self.device = device

    def cohort(self, structure):
        """Never asked for here."""


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch):
    """A trainer of the table, and data that exist unless they are called `none`."""

    def locate(source, target):
        if source == "none":
            raise StandInDataError("data: unknown data 'none'", "data.seed: odd")
        if isinstance(source, str):
            return source
        return {key: f"/abs/{item}" for key, item in source.items()}

    monkeypatch.setitem(trials.TRAINERS, "stand_in", f"{__name__}:StandInTrainer")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    monkeypatch.setattr(trials.data, "DataError", StandInDataError, raising=False)
    monkeypatch.setattr(trials.data, "resolve", locate, raising=False)
    monkeypatch.setattr(
        trials.data, "load", lambda source, **rest: StandInData(source, rest), raising=False
    )


def spec(**keys):
    """A spec for the stand-in trainer."""
    return spec_from_mapping({"trainer": "stand_in", **keys})


def problems_of(given, **rest):
    """The lines that refuse a spec."""
    with pytest.raises(InputError) as caught:
        resolve(given, **rest)
    return list(caught.value.problems)


def objective(trial):
    """An Optuna objective."""
    return 0.0


def train(params, report):
    """A function with a space."""
    return 0.0


def test_a_trainers_defaults_are_filled_in():
    """Epochs, data, value, objective, pruner and the whole space come from the trainer."""
    found = resolve(spec(seed=3))
    assert (found.spec.epochs, found.spec.value) == (12, "best")
    assert found.spec.data.source == {"name": "digits"}
    assert found.spec.pruner.name == "asha"
    assert found.spec.space == SPACE.to_plain()
    assert found.objectives == (Objective("loss", "minimize"),)
    assert (found.fingerprint, found.notes) == ("f1", ("took y for classes",))
    assert found.data.arguments == {"task": "auto", "target": None, "seed": spec(seed=3).split_seed}
    assert found.trainer.device == "cpu"
    assert found.objective is None


def test_a_trainer_may_name_its_pruner():
    """Where early epochs say little it is none in place of asha; a user's word counts more."""

    class LateTrainer(StandInTrainer):
        default_pruner = "none"

    for given, name in ((None, "none"), ("hyperband", "hyperband")):
        keys = {"data": "digits", "pruner": given}
        assert resolve(spec_from_mapping(keys), LateTrainer).spec.pruner.name == name


def test_resolving_twice_changes_nothing():
    """The stored form resolves to itself, so that a resumed study is no other."""
    first = resolve(spec(space={"units": 16, "loss": "mae"}, data={"name": "digits", "seed": 4}))
    again = resolve(spec_from_mapping(first.spec.to_plain()))
    assert again.spec == first.spec
    assert again.space == first.space
    assert difference(first.spec.to_plain(), again.spec.to_plain()) == []


def test_files_become_absolute():
    """A study can be resumed from another directory."""
    found = resolve(spec(data={"file": "t.csv", "target": "y"}))
    assert found.spec.data.source == {"file": "/abs/t.csv"}
    assert found.spec.target == "y"
    assert found.data.arguments["target"] == "y"


def test_an_axis_without_a_type_keeps_the_rest_of_the_ready_one():
    """`--set space.learning_rate.high=0.1` is enough."""
    found = resolve(spec(space={"learning_rate": {"high": 0.1}}))
    assert found.space["learning_rate"] == Float(1e-4, 0.1, log=True)
    assert found.space["units"] == SPACE["units"]


def test_objectives_are_chosen_by_name():
    """In the order asked for, with the trainer's direction unless another is given."""
    found = resolve(
        spec(objectives=["accuracy", {"name": "loss", "direction": "maximize"}], pruner="none")
    )
    assert found.objectives == (Objective("accuracy", "maximize"), Objective("loss", "maximize"))
    assert [o.direction for o in found.spec.objectives] == ["maximize", "maximize"]


def test_all_mistakes_are_named_at_once():
    """Space, objectives, sampler, pruner and their options in one go."""
    lines = problems_of(
        spec(
            space={"unit": 3, "learning_rate": {"type": "float", "low": 1, "high": 0.1}},
            objectives=["los"],
            sampler={"name": "tpe", "n_startup": 3},
            pruner={"name": "ahsa"},
        )
    )
    assert [line.partition(":")[0] for line in lines] == [
        "space",
        "space.learning_rate",
        "objectives[0]",
        "sampler.n_startup",
        "pruner.name",
    ]
    assert lines[-1] == (
        "pruner.name: unknown pruner 'ahsa'; did you mean 'asha'? (asha, hyperband, median, none)"
    )


def test_wrong_names_and_other_mistakes_come_together():
    """An unknown trainer does not hide an unknown sampler."""
    lines = problems_of(spec_from_mapping({"trainer": "stand-in", "sampler": "tpee"}))
    assert lines[0].startswith("trainer: unknown trainer 'stand-in'; did you mean 'stand_in'? (")
    assert lines[1:] == [
        "sampler.name: unknown sampler 'tpee'; did you mean 'tpe'? "
        "(gp, grid, nsga2, preference, qmc, random, tpe)"
    ]


def test_data_that_cannot_be_used_are_input_errors():
    """What the data say of themselves, and what the trainer says of them."""
    assert problems_of(spec(data="none")) == ["data: unknown data 'none'", "data.seed: odd"]
    assert problems_of(spec(data="wrong")) == ["data: must have classes, got a regression task"]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            {"sampler": "grid"},
            "space.learning_rate: must have a step to be on a grid, got a continuous float",
        ),
        (
            {
                "sampler": "grid",
                "space": {
                    "learning_rate": 0.1,
                    "units": {"type": "int", "low": 1, "high": 60000},
                },
            },
            f"space: must have at most {LARGEST_GRID} combinations for sampler grid, got 120000",
        ),
        (
            {"pruner": "median", "objectives": ["loss", "accuracy"]},
            "pruner.name: must be none or asha with several objectives, got 'median'",
        ),
        (
            {"pruner": {"name": "asha", "min_resource": 20}},
            "pruner.min_resource: must be at most epochs=12, got 20",
        ),
        (
            {"sampler": {"name": "tpe", "group": True, "multivariate": False}},
            "sampler.group: must be false where multivariate is, got true",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(keys, line):
    """Limits of samplers and pruners are said before anything starts."""
    assert problems_of(spec(**keys)) == [line]


def test_several_objectives_are_pruned_by_default():
    """Trials of a trainer are judged by all of them, at the rungs of successive halving."""
    assert resolve(spec(objectives=["loss", "accuracy"])).spec.pruner.name == "asha"


def test_a_function_with_several_objectives_is_not_pruned():
    """It cannot report several values; another pruner than none is refused."""
    several = {"objectives": ["a", "b"]}
    assert resolve(spec_from_mapping(several), objective).spec.pruner.name == "none"
    with pytest.raises(InputError, match=r"pruner.name: must be none with several objectives"):
        resolve(spec_from_mapping(several | {"pruner": "asha"}), objective)


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp", "nsga2"])
def test_every_other_sampler_takes_several_objectives(sampler):
    """As Optuna allows."""
    assert resolve(spec(objectives=["loss", "accuracy"], sampler=sampler)).objectives


def test_an_optuna_objective_needs_no_space():
    """Define-by-run: no space, one objective to minimise, median pruning."""
    found = resolve(spec_from_mapping({}), objective=objective)
    assert found.space is None
    assert found.objectives == (Objective("value", "minimize"),)
    assert (found.spec.pruner.name, found.spec.value, found.spec.epochs) == ("median", "last", None)
    assert found.objective is objective
    assert (found.trainer, found.data, found.fingerprint) == (None, None, None)


def test_a_function_with_a_space_takes_params_and_report():
    """From the spec or as a `Space`; the stored space is the same."""
    plain = {"x": {"type": "float", "low": 0.0, "high": 1.0}}
    written = resolve(spec_from_mapping({"space": plain}), objective=train)
    given = resolve(spec_from_mapping({}), objective=train, space=Space(x=Float(0, 1)))
    assert written.space == given.space
    assert written.spec == given.spec


def test_an_objective_can_be_named(tmp_path, monkeypatch):
    """`module:function` of the current directory."""
    (tmp_path / "own_function.py").write_text("def objective(trial): return 1.0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    found = resolve(spec_from_mapping({"objective": "own_function:objective"}))
    assert found.objective(None) == 1.0
    sys.modules.pop("own_function")


@pytest.mark.parametrize(
    ("mapping", "rest", "start"),
    [
        ({}, {}, "trainer: must be given, or an objective, and only one, got neither"),
        ({"trainer": "stand_in"}, {"objective": objective}, "trainer: must be given, or an"),
        ({}, {"objective": train}, "objective: train must accept (trial)"),
        ({}, {"objective": 3}, "objective: int must be a function, got int"),
        ({"space": {"x": 1}}, {"objective": objective}, "objective: objective must accept (params"),
        ({"data": "digits"}, {"objective": objective}, "data: must be left out for a function"),
        ({"sampler": "grid"}, {"objective": objective}, "sampler.name: grid must have a space"),
        ({"pruner": "hyperband"}, {"objective": objective}, "epochs: must be given with pruner"),
        ({"space": {"x": [1]}}, {"objective": train}, "space.x: must be a value or a mapping"),
        ({"objective": "no_such:f"}, {}, "objective: no module 'no_such'"),
        (
            {"space": {"x": 1}},
            {"objective": train, "space": Space(x=Float(0, 1))},
            "space: must be given once",
        ),
    ],
)
def test_a_function_that_cannot_run_is_refused(mapping, rest, start):
    """One line each, before a trial exists."""
    (line,) = problems_of(spec_from_mapping(mapping), **rest)
    assert line.startswith(start)


def test_a_trainer_class_may_be_given():
    """As `tuner.fused` makes them."""
    found = resolve(spec_from_mapping({"data": "digits"}), objective=StandInTrainer)
    assert isinstance(found.trainer, StandInTrainer)


def test_a_space_may_be_given_with_a_trainer():
    """It overrides the ready axes."""
    found = resolve(spec(), space=Space(units=Int(1, 4)))
    assert found.space["units"] == Int(1, 4)
    assert found.space["loss"] == SPACE["loss"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("no_such_module:Class", "no module 'no_such_module'"),
        ("json:dumps", "must be a trainer class"),
        ("json:nothing", "cannot be imported"),
    ],
)
def test_what_is_no_trainer_is_refused(name, part):
    """An import string must lead to a trainer class."""
    with pytest.raises(InputError, match=part):
        load_trainer(name)


def test_an_axis_beyond_the_ready_space_is_taken_from_the_trainers_domain():
    """A trainer's axis that is not searched by default may be asked for; the result is stored."""
    found = resolve(spec(space={"dropout": 0.5, "units": {"type": "int", "low": 1, "high": 300}}))
    assert found.space["dropout"].contains(0.5)
    assert found.spec.space["units"]["high"] == 300


def test_values_that_a_trainer_cannot_train_with_are_refused_together():
    """Unknown axes, values out of the domain and wrong words give one line each."""
    wrong = {"dropout": 1.5, "loss": "hinge", "unit": 3, "units": 0}
    with pytest.raises(InputError) as caught:
        resolve(spec(space=wrong))
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "space.dropout",
        "space.loss",
        "space",
        "space.units",
    ]


def test_a_condition_that_was_removed_stays_removed(monkeypatch):
    """A stored space without a condition of the ready one resolves to itself."""
    ready = Space(dict(SPACE) | {"dropout": Float(0, 0.5, when={"loss": "mse"})})
    monkeypatch.setattr(StandInTrainer, "space", ready)
    changes = {"dropout": {"type": "float", "low": 0.0, "high": 0.5, "when": None}}
    once = resolve(spec(space=changes))
    assert not once.space["dropout"].conditions
    assert resolve(once.spec).space == once.space
