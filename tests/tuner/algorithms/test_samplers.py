"""Every sampler of the table: seeded, indifferent to restarts, within its space."""

import inspect

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import Categorical, Float, Int, Ordinal, Space
from trials.contract import Objective
from tuner.algorithms import PRUNERS, SAMPLERS, is_exhausted, make_sampler, reseed
from tuner.algorithms.options import defaults, description, factory, option_problems
from tuner.algorithms.ordinal import gaps, kernel
from tuner.seeds import derive
from tuner.spec import SamplerSpec

LOSS = (Objective("loss", "minimize"),)
TWO = (Objective("loss", "minimize"), Objective("size", "maximize"))
FLAT = Space(
    x=Float(-1, 1), lr=Float(1e-4, 1, log=True), n=Int(1, 64, log=True), act=Categorical(["a", "b"])
)
CONDITIONAL = Space(
    opt=Categorical(["sgd", "adam"]),
    momentum=Float(0, 0.99, when={"opt": "sgd"}),
    beta=Float(0.5, 0.99, when={"opt": "adam"}),
    width=Ordinal([8, 16, 32, 64]),
    x=Float(-1, 1),
)
FINITE = Space(
    opt=Categorical(["sgd", "adam"]),
    momentum=Float(0, 0.9, step=0.3, when={"opt": "sgd"}),
    layers=Int(1, 5),
    fixed=Categorical([7]),
)


def value(params):
    """A smooth function of any of the spaces."""
    total = 0.0
    for name, item in sorted(params.items()):
        total += len(name) * (item if isinstance(item, float | int) else len(item)) ** 2 % 3.7
    return total


class Asker:
    """Asks and tells a study as the ledger does, trials finishing out of order."""

    def __init__(self, name, space, objectives, options=None, in_flight=3, seed=5):
        self.make = lambda: make_sampler(
            SamplerSpec(name=name, options=options or {}), space, objectives, seed, in_flight
        )
        self.space, self.in_flight = space, in_flight
        directions = [objective.direction for objective in objectives]
        self.study = optuna.create_study(directions=directions, sampler=self.make())
        self.open = []

    def restart(self):
        """A new process: the study is the same, the sampler is another object."""
        self.study.sampler = self.make()

    def run(self, n):
        """Asks `n` trials; of those in flight the second oldest finishes first."""
        for _ in range(n):
            reseed(self.study.sampler, derive(5, "ask", len(self.study.trials)))
            trial = self.study.ask()
            self.open.append((trial, self.space.suggest(trial)))
            if len(self.open) == self.in_flight:
                self.finish(*self.open.pop(min(1, len(self.open) - 1)))
        return [trial.params for trial in self.study.trials]

    def finish(self, trial, params):
        """Every fifth trial is pruned or fails."""
        values = [value(params)] * len(self.study.directions)
        if trial.number % 10 == 4 and len(values) == 1:
            trial.report(values[0], 1)
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        elif trial.number % 10 == 9:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, values)


CASES = [
    pytest.param(name, space, objectives, id=f"{name}-{label}-{len(objectives)}")
    for name in SAMPLERS
    for label, space in (("flat", FLAT), ("conditional", CONDITIONAL), ("finite", FINITE))
    for objectives in (LOSS, TWO)
    if name != "grid" or space is FINITE
    if name != "gp" or (space is FLAT) == (objectives is LOSS)  # a second for each of its asks
]
SMALL = {"nsga2": {"population_size": 6}, "gp": {"n_startup_trials": 3}}
N_TRIALS = {"gp": 9}


@pytest.mark.parametrize(("name", "space", "objectives"), CASES)
def test_a_restart_changes_no_proposal(name, space, objectives):
    """A study whose sampler is made anew in its middle, twice, asks for the same trials."""
    n = N_TRIALS.get(name, 24 if name == "grid" else 30)
    whole = Asker(name, space, objectives, SMALL.get(name)).run(n)
    broken = Asker(name, space, objectives, SMALL.get(name))
    broken.run(n // 2)
    broken.restart()
    broken.run(3)
    broken.restart()
    assert broken.run(n - n // 2 - 3) == whole
    assert all(not space.validate(params) for params in whole)


@pytest.mark.parametrize("name", SAMPLERS)
def test_another_seed_gives_another_study(name):
    """The study's seed matters for every sampler, also through `reseed`."""

    def ask(construction, asks):
        sampler = make_sampler(SamplerSpec(name=name), FINITE, LOSS, construction)
        study = optuna.create_study(sampler=sampler)
        found = []
        for number in range(8):
            reseed(sampler, derive(asks, "ask", number))
            trial = study.ask()
            found.append(FINITE.suggest(trial))
            study.tell(trial, value(found[-1]))
        return found

    assert ask(1, 1) == ask(1, 1)
    assert ask(1, 1) != ask(2, 2)


def test_the_state_before_a_reseed_does_not_matter():
    """However many draws came before, the next ask depends on the seed alone."""
    sampler = make_sampler(SamplerSpec(name="random"), FLAT, LOSS, 0)
    asked = []
    for n_before in (0, 7):
        study = optuna.create_study(sampler=sampler)
        for _ in range(n_before):
            FLAT.suggest(optuna.create_study(sampler=sampler).ask())
        reseed(sampler, 42)
        asked.append(FLAT.suggest(study.ask()))
    assert asked[0] == asked[1]


def test_a_grid_visits_every_combination_once():
    """25 combinations, conditions respected, then it is exhausted; one more begins anew."""
    asker = Asker("grid", FINITE, LOSS)
    params = asker.run(25)
    unique = {frozenset(point.items()) for point in params}
    assert unique == {frozenset(point.items()) for point in FINITE.grid()}
    assert len(unique) == FINITE.grid_size() == 25
    assert is_exhausted(asker.study.sampler, asker.study)
    assert not FINITE.validate(asker.run(1)[-1])


def test_a_grid_is_not_exhausted_one_short():
    """The last combination counts, and one that trains already is not proposed again."""
    asker = Asker("grid", FINITE, LOSS, in_flight=100)
    asker.run(24)
    assert not is_exhausted(asker.study.sampler, asker.study)
    asker.run(1)
    assert is_exhausted(asker.study.sampler, asker.study)


def test_a_grid_leaves_out_what_others_tried():
    """A combination that another process added is not proposed; the rest all are."""
    asker = Asker("grid", FINITE, LOSS)
    foreign = next(iter(FINITE.grid()))
    distributions = {name: FINITE[name].distribution for name in foreign}
    asker.study.add_trial(
        optuna.trial.create_trial(params=foreign, distributions=distributions, value=1.0)
    )
    params = asker.run(24)
    assert params.count(foreign) == 1
    assert is_exhausted(asker.study.sampler, asker.study)


def test_only_grids_are_exhausted():
    """Every other sampler goes on for ever."""
    asker = Asker("random", FINITE, LOSS)
    asker.run(30)
    assert not is_exhausted(asker.study.sampler, asker.study)


def test_groups_do_not_remember_the_order_in_which_trials_finished():
    """A branch that was seen first because its trial finished first changes no later proposal."""

    def last_ask(*, restarts):
        options = {"n_startup_trials": 3, "group": True, "engine": "optuna"}
        asker = Asker("tpe", CONDITIONAL, LOSS, options, in_flight=100)
        for opt in ("adam", "sgd", "sgd"):
            asker.study.enqueue_trial({"opt": opt})
        asker.run(3)
        (first, *others), asker.open = asker.open, []
        for trial, params in others:
            asker.finish(trial, params)
        asker.run(1)
        asker.finish(*first)
        if restarts:
            asker.restart()
        return asker.run(1)[-1]

    assert last_ask(restarts=True) == last_ask(restarts=False)


def test_define_by_run_objectives_have_no_space():
    """Samplers that learn the space on the way can be made without one."""
    for name in set(SAMPLERS) - {"grid", "preference"}:
        study = optuna.create_study(sampler=make_sampler(SamplerSpec(name=name), None, LOSS, 0))
        assert 0 <= study.ask().suggest_float("x", 0, 1) <= 1


def test_near_ordinal_choices_share_what_is_learnt():
    """With 3 and 5 good and the ends poor, TPE tries the 4 between them more on an ordinal axis."""

    def n_between(axis):
        space = Space(x=axis)
        sampler = make_sampler(SamplerSpec(name="tpe"), space, LOSS, 0)
        study = optuna.create_study(sampler=sampler)
        for point in [3, 5, 0, 8, 1, 7, 0, 8, 1, 7, 0, 8]:
            study.add_trial(
                optuna.trial.create_trial(
                    params={"x": point},
                    distributions={"x": axis.distribution},
                    value=abs(point - 4),
                )
            )
        found = []
        for number in range(60):
            reseed(sampler, derive(0, number))
            trial = study.ask()
            found.append(space.suggest(trial)["x"])
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return found.count(4)

    assert n_between(Ordinal(range(9))) > 2 * n_between(Categorical(range(9)))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.integers(1, 500))
def test_the_kernel_of_distances_is_a_distribution(n_choices, n_observations):
    """Rows sum to one, an observed choice keeps the most, and nearer ones get no less."""
    spread = kernel(gaps(range(n_choices), lambda a, b: abs(a - b)), n_observations)
    assert np.allclose(spread.sum(axis=1), 1)
    for row in range(n_choices):
        assert np.argmax(spread[row]) == row
        assert (np.diff(spread[row][row:]) <= 1e-12).all()


@pytest.mark.parametrize("table", [SAMPLERS, PRUNERS], ids=["samplers", "pruners"])
def test_every_entry_describes_itself_and_checks_its_options(table):
    """Each factory has a line for people, and takes its own defaults."""
    for entry in table.values():
        assert 10 < len(description(entry)) < 100
        given = {name: item for name, item in defaults(entry).items() if item is not None}
        assert option_problems("here", entry, given) == []
        assert next(iter(inspect.signature(factory(entry)).parameters)) == "task"


@pytest.mark.parametrize(
    ("table", "name", "options", "lines"),
    [
        (
            SAMPLERS,
            "tpe",
            {"n_startup": 1, "n_ei_candidates": 0, "group": 1, "engine": "rust"},
            [
                "at.n_startup: unknown option 'n_startup'; did you mean 'n_startup_trials'? "
                "(constant_liar, engine, group, multivariate, n_ei_candidates, n_startup_trials)",
                "at.n_ei_candidates: must be at least 1, got 0",
                "at.group: must be true or false, got 1",
                "at.engine: must be auto or numpy or optuna, got 'rust'",
            ],
        ),
        (SAMPLERS, "random", {"x": 1}, ["at.x: unknown option 'x'; it has none"]),
        (
            SAMPLERS,
            "qmc",
            {"qmc_type": "sobel"},
            ["at.qmc_type: must be sobol or halton, got 'sobel'"],
        ),
        (
            SAMPLERS,
            "nsga2",
            {"crossover_prob": 2},
            ["at.crossover_prob: must be a number from 0 to 1, got 2"],
        ),
        (
            PRUNERS,
            "asha",
            {"reduction_factor": 1, "min_resource": 1.5},
            [
                "at.reduction_factor: must be at least 2, got 1",
                "at.min_resource: must be a whole number, got 1.5",
            ],
        ),
    ],
)
def test_wrong_options_are_named_with_what_there_is(table, name, options, lines):
    """All wrong options of an entry at once."""
    assert option_problems("at", table[name], options) == lines
