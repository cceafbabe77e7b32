"""What each detector tells from histories made to show one failure, or none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.gans.failures import DETECTORS, detect, detect_at

FINE = {
    "relative_distance": 0.2,
    "reach": 1.0,
    "accuracy_real": 0.7,
    "accuracy_generated": 0.7,
    "generator_loss": 0.9,
    "discriminator_loss": 1.2,
}
"""An epoch of a game that goes well."""


def epochs(n, **changes):
    """Epochs that go well but for some figures: numbers, or functions of the epoch from 0."""
    return [
        FINE | {name: v(e) if callable(v) else v for name, v in changes.items()} for e in range(n)
    ]


def kinds(history):
    return {symptom.kind for symptom in detect(history)}


FAILURES = {
    "non-finite": epochs(3) + epochs(1, generator_loss=math.nan),
    "divergence": epochs(6, relative_distance=5.0),
    "mode collapse": epochs(16, reach=0.5),
    "strong discriminator": epochs(12, accuracy_real=1.0, accuracy_generated=0.9),
    "exploited weakness": epochs(
        6,
        accuracy_generated=0.1,
        generator_loss=lambda e: 0.5 - 0.05 * e,
        relative_distance=lambda e: 1.0 + 0.2 * e,
    ),
    "oscillation": epochs(20, relative_distance=lambda e: 0.6 + 0.4 * (e % 2), reach=0.8),
}


def test_every_detector_has_its_case():
    """The cases below are those of the table."""
    assert FAILURES.keys() == DETECTORS.keys()


@pytest.mark.parametrize("kind", FAILURES)
def test_failure_is_found(kind):
    """Each history shows its own failure and no other, at its last epoch."""
    (symptom,) = detect(FAILURES[kind])
    assert (symptom.kind, symptom.epoch) == (kind, len(FAILURES[kind]))
    assert "{" not in symptom.text
    assert all(math.isfinite(value) for value in symptom.figures.values())


@pytest.mark.parametrize("kind", FAILURES)
def test_failure_needs_all_its_epochs(kind):
    """One epoch fewer is not enough."""
    assert detect(FAILURES[kind][:-1]) == []


@pytest.mark.parametrize("kind", FAILURES)
def test_one_good_epoch_at_the_end_is_not_a_failure_at_that_epoch(kind):
    """What a detector says it says of the last epochs, not of those before them."""
    history = FAILURES[kind] + epochs(20)
    assert detect_at(history) == []
    assert {symptom.kind for symptom in detect(history)} == {kind}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("divergence", {"discriminator_loss": 60.0}),
        ("divergence", {"generator_loss": -60.0}),
    ],
)
def test_divergence_shows_in_either_loss(kind, changes):
    """A loss of minimax falls without bound, others rise."""
    assert kinds(epochs(6, **changes)) == {kind}


NOT_FAILURES = {
    "a single excursion": epochs(10, relative_distance=lambda e: 9.0 if e == 4 else 0.2),
    "diverse in between": epochs(30, reach=lambda e: 1.0 if e % 16 == 15 else 0.3),
    "three fifths": epochs(16, reach=0.61),
    "strong, yet the generator learns": epochs(
        20,
        accuracy_real=1.0,
        accuracy_generated=0.95,
        relative_distance=lambda e: 0.45 * 0.95**e,
    ),
    "strong on one side alone": epochs(20, accuracy_real=1.0, accuracy_generated=0.8),
    "fooled while it gets nearer": epochs(
        10,
        accuracy_generated=0.1,
        generator_loss=lambda e: 0.5 - 0.05 * e,
        relative_distance=lambda e: 0.4 - 0.03 * e,
    ),
    "fooled and farther off, yet near the data": epochs(
        10,
        accuracy_generated=0.1,
        generator_loss=lambda e: 0.5 - 0.05 * e,
        relative_distance=lambda e: 0.1 + 0.05 * e,
    ),
    "fooled far off, yet no farther": epochs(
        10,
        accuracy_generated=0.1,
        generator_loss=lambda e: 0.5 - 0.05 * e,
        relative_distance=1.5,
    ),
    "farther off at a rising loss": epochs(
        8,
        accuracy_generated=0.1,
        generator_loss=lambda e: 0.5 + 0.05 * e,
        relative_distance=lambda e: 1.0 + 0.2 * e,
    ),
    "farther off and found out": epochs(
        8,
        accuracy_generated=0.6,
        generator_loss=lambda e: 0.5 - 0.05 * e,
        relative_distance=lambda e: 1.0 + 0.2 * e,
    ),
    "swings near the data": epochs(40, relative_distance=lambda e: 0.1 + 0.1 * (e % 2), reach=0.8),
    "swings and gets nearer": epochs(
        21, relative_distance=lambda e: (3.0 + 0.4 * (e % 2)) * 0.9**e
    ),
    "swings about the whole data": epochs(40, relative_distance=lambda e: 0.6 + 0.4 * (e % 2)),
    "stands still": epochs(40, relative_distance=0.7),
}


@pytest.mark.parametrize("name", NOT_FAILURES)
def test_what_is_not_a_failure(name):
    """Histories that lack one part of a failure show none."""
    assert detect(NOT_FAILURES[name]) == []


def test_missing_figures_keep_detectors_silent():
    """A trainer that measures nothing but a loss is told of broken numbers alone."""
    history = [{"generator_loss": 0.5}] * 30
    assert detect(history) == []
    assert kinds([*history, {"generator_loss": math.inf}]) == {"non-finite"}


def test_findings_come_in_the_order_of_epochs():
    """Each kind once, at the first epoch at which it shows."""
    history = epochs(20, reach=0.2) + epochs(12, accuracy_real=0.94, accuracy_generated=0.94)
    found = [(symptom.kind, symptom.epoch) for symptom in detect(history)]
    assert found == [("mode collapse", 16), ("strong discriminator", 32)]


figure = st.one_of(st.floats(-1e3, 1e3), st.just(math.nan), st.just(math.inf))


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(FINE, figure)), max_size=24))
def test_findings_depend_on_the_past_alone(history):
    """What is found up to an epoch stays found when the training goes on; nothing raises."""
    whole = detect(history)
    half = detect(history[: len(history) // 2])
    assert [symptom for symptom in whole if symptom.epoch <= len(history) // 2] == half
