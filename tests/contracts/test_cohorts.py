"""What every trainer's cohort promises: a row's bits are its own, whoever trains beside it."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_trainers import small_trainer

import trials
from trials.contract import Row, ask_for
from tuner.rotation import is_divisible

N_POINTS = 90
FURTHER = [("mlp", "diabetes"), ("rnn", "addition"), ("gan", "wine")]
MOST_ROWS = {"dcgan": 24, "pix2pix": 24, "progressive_gan": 16}
"""Of trainers whose rows are dear."""
EPOCHS = 3
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=3, deadline=None)
"""A crowd of 16 to 64 rows is dear, so the other tests have few rows."""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Cohorts promise their bits for one thread."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(
    scope="module",
    params=[*((name, "") for name in trials.TRAINERS), *FURTHER],
    ids=lambda names: " ".join(names).strip(),
)
def trainer(request):
    """Every trainer of the table on a little of its default data, and of other kinds of data."""
    trainer_name, data_name = request.param
    return small_trainer(trainer_name, N_POINTS, data_name)


class Suggestions:
    """Random suggestions with the methods of an Optuna trial."""

    def __init__(self, rng):
        self._rng = rng

    def suggest_float(self, name, low, high, *, step=None, log=False):
        """A float of the range."""
        if log:
            return low * (high / low) ** self._rng.random()
        return self._rng.uniform(low, high)

    def suggest_int(self, name, low, high, *, step=1, log=False):
        """A whole number of the range; on a logarithmic one the small ones are as likely."""
        if log:
            return round(self.suggest_float(name, low, high, log=True))
        return self._rng.randint(low, high)

    def suggest_categorical(self, name, choices):
        """One of the choices."""
        return self._rng.choice(list(choices))


def mixed_rows(trainer, seed, n_rows):
    """Rows of one structure that differ in every axis of the ready space that may differ."""
    rng = random.Random(seed)
    first = trainer.space.suggest(Suggestions(rng))
    structure = trainer.structure(first)
    rows = []
    for key in range(n_rows):
        other = trainer.space.suggest(Suggestions(rng))
        fixed = {
            name: value
            for name, value in first.items()
            if name in other and trainer.structure({**first, name: other[name]}) != structure
        }
        rows.append(Row(key, {**other, **fixed}, rng.randrange(2**63), EPOCHS))
    assert {trainer.structure(row.params) for row in rows} == {structure}
    return rows


def curves(cohort, n_epochs, blocks=None):
    """Metrics of each row by key and epoch, as text that keeps every bit and nan equal to nan."""
    found = {}
    for _ in range(n_epochs):
        for progress in cohort.advance() if blocks is None else cohort.advance(blocks):
            figures = {name: value.hex() for name, value in progress.metrics.items()}
            found[progress.key, progress.epoch] = figures
    return found


def bits(state):
    """The state's tensors as bytes."""
    return {name: tensor.numpy().tobytes() for name, tensor in state.items()}


def cohort_of(trainer, rows, states=None):
    """A cohort of these rows, which share a structure."""
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    cohort.admit(rows, states)
    return cohort


def alone(trainer, row, n_epochs=EPOCHS):
    """Curve and final state of a row that trains by itself."""
    cohort = cohort_of(trainer, [row])
    return curves(cohort, n_epochs), bits(cohort.save(row.key))


def of(row, found):
    """The part of `found` that belongs to the row."""
    return {place: figures for place, figures in found.items() if place[0] == row.key}


@settings(FEW, max_examples=2)
@given(seed=SEEDS, n_rows=st.integers(16, 64), data=st.data())
def test_company_changes_no_bit(trainer, seed, n_rows, data):
    """A row alone and the same row among 16 to 64 others have equal curves and states."""
    rows = mixed_rows(trainer, seed, min(n_rows, MOST_ROWS.get(trainer.name, n_rows)))
    together = cohort_of(trainer, rows)
    found = curves(together, EPOCHS)
    for row in data.draw(st.lists(st.sampled_from(rows), min_size=3, max_size=3)):
        assert (of(row, found), bits(together.save(row.key))) == alone(trainer, row)


@FEW
@given(seed=SEEDS, n_late=st.integers(1, 6), wait=st.integers(1, EPOCHS - 1))
def test_late_admission_changes_no_bit(trainer, seed, n_late, wait):
    """Rows admitted into a cohort under way train as if alone, and so do those before them."""
    rows = mixed_rows(trainer, seed, n_late + 4)
    early, late = rows[:4], rows[4:]
    cohort = cohort_of(trainer, early)
    found = curves(cohort, wait)
    cohort.admit(late)
    found |= curves(cohort, EPOCHS - wait)
    for row in (early[0], late[-1]):
        n_epochs = EPOCHS if row in early else EPOCHS - wait
        expected = alone(trainer, row, n_epochs)
        assert (of(row, found), bits(cohort.save(row.key))) == expected


@FEW
@given(seed=SEEDS, n_rows=st.integers(2, 8), rest=st.integers(1, EPOCHS - 1))
def test_checkpoint_changes_no_bit(trainer, seed, n_rows, rest):
    """A row that is saved, and admitted elsewhere from its state, goes on bit by bit."""
    rows = mixed_rows(trainer, seed, n_rows)
    row = rows[0]
    expected, state = alone(trainer, row)
    first = cohort_of(trainer, rows)
    found = curves(first, EPOCHS - rest)
    saved = first.save(row.key)
    assert all(t.is_contiguous() and t.device.type == "cpu" for t in saved.values())
    second = cohort_of(trainer, rows[1:])
    second.admit([row], {row.key: saved})
    assert bits(second.save(row.key)) == bits(saved)
    found = of(row, found) | of(row, curves(second, rest))
    assert (found, bits(second.save(row.key))) == (expected, state)


@FEW
@given(seed=SEEDS, n_rows=st.integers(3, 10), data=st.data())
def test_evictions_change_no_bit(trainer, seed, n_rows, data):
    """Rows that leave take nothing with them; those that stay train as if alone."""
    rows = mixed_rows(trainer, seed, n_rows)
    leaving = data.draw(st.sets(st.sampled_from(range(1, n_rows)), min_size=1))
    cohort = cohort_of(trainer, rows)
    found = curves(cohort, 2)
    cohort.evict(leaving)
    assert set(cohort.keys) == {row.key for row in rows} - leaving
    found |= curves(cohort, EPOCHS - 2)
    assert (of(rows[0], found), bits(cohort.save(0))) == alone(trainer, rows[0])


@FEW
@given(seed=SEEDS)
def test_blocks_that_train_by_turns_change_no_bit(trainer, seed):
    """Every other block rests in every other call; all rows have the bits of rows alone."""
    rows = mixed_rows(trainer, seed, 6)
    cohort = cohort_of(trainer, rows)
    if not is_divisible(cohort):  # a cohort need not be; those of this project are
        assert trainer.name not in trials.TRAINERS
        return
    halves = [list(cohort.blocks)[0::2], list(cohort.blocks)[1::2]]
    found = {}
    for half in halves * EPOCHS:
        now = curves(cohort, 1, half)
        assert {key for key, _ in now} == {r.key for r in rows if cohort.block_of(r.key) in half}
        found |= now
    for row in rows[:2]:
        assert (of(row, found), bits(cohort.save(row.key))) == alone(trainer, row)


def test_blocks_count_rows(trainer):
    """Every row is in one block; a cohort without rows has none."""
    rows = mixed_rows(trainer, 7, 6)
    cohort = trainer.cohort(trainer.structure(rows[0].params))
    assert not cohort.blocks
    cohort.admit(rows)
    assert sum(cohort.blocks.values()) == 6
    cohort.evict([0, 5])
    assert sum(cohort.blocks.values()) == 4
    assert all(count > 0 for count in cohort.blocks.values())


def test_structure_ignores_rates(trainer):
    """Rows that differ in the learning rate alone share a structure."""
    params = mixed_rows(trainer, 0, 1)[0].params
    other = {**params, "learning_rate": 2 * params["learning_rate"]}
    assert trainer.structure(params) == trainer.structure(other)


def test_a_present_key_is_refused(trainer):
    """Admitting a key twice raises ValueError and adds none of the rows."""
    rows = mixed_rows(trainer, 1, 3)
    cohort = cohort_of(trainer, rows[:2])
    with pytest.raises(ValueError, match="row 0: is in the cohort already"):
        cohort.admit([rows[2], rows[0]])
    with pytest.raises(ValueError, match="row 2: is given twice"):
        cohort.admit([rows[2], rows[2]])
    assert set(cohort.keys) == {0, 1}


def test_a_state_that_does_not_fit_is_refused(trainer):
    """A state with a missing or misshapen tensor, or without an epoch, adds none of the rows."""
    row, other = mixed_rows(trainer, 2, 2)
    cohort = cohort_of(trainer, [row])
    curves(cohort, 1)
    state = cohort.save(row.key)
    name = next(name for name in state if name.endswith("weight"))
    cases = [
        {n: t for n, t in state.items() if n != name},
        {**state, name: state[name][:0]},
        {n: t for n, t in state.items() if n != "epoch"},
    ]
    for case in cases:
        empty = trainer.cohort(trainer.structure(row.params))
        with pytest.raises(ValueError, match=f"row {row.key}: "):
            empty.admit([other, row], {row.key: case})
        assert not empty.keys


def test_unknown_keys_are_refused(trainer):
    """Evicting an unknown key raises KeyError and removes nothing; so does saving one."""
    rows = mixed_rows(trainer, 3, 2)
    cohort = cohort_of(trainer, rows)
    with pytest.raises(KeyError, match="7"):
        cohort.evict([0, 7])
    with pytest.raises(KeyError, match="7"):
        cohort.save(7)
    assert set(cohort.keys) == {0, 1}


def test_every_objective_is_measured(trainer):
    """Each epoch reports every objective that is asked for, and the epochs count from one."""
    ask_for(trainer, trainer.objectives)
    cohort = cohort_of(trainer, mixed_rows(trainer, 4, 3))
    for epoch in (1, 2):
        for progress in cohort.advance():
            assert progress.epoch == epoch
            assert {o.name for o in trainer.objectives} <= progress.metrics.keys()
    ask_for(trainer, ())


def test_weights_are_the_rows_own(trainer):
    """Weights come without padding, and a row from the start differs from a trained one."""
    row = mixed_rows(trainer, 5, 1)[0]
    cohort = cohort_of(trainer, [row])
    before = trainer.weights(cohort.save(row.key), row.params)
    curves(cohort, 1)
    after = trainer.weights(cohort.save(row.key), row.params)
    assert before.keys() == after.keys()
    assert all(before[name].shape == after[name].shape for name in before)
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert all(isinstance(v, float) for v in trainer.test(cohort.save(0), row.params).values())


def test_an_empty_cohort_advances(trainer):
    """A cohort without rows reports nothing, before and after it had some."""
    row = mixed_rows(trainer, 6, 1)[0]
    cohort = trainer.cohort(trainer.structure(row.params))
    assert cohort.advance() == []
    cohort.admit([row])
    cohort.evict([row.key])
    assert cohort.advance() == []
