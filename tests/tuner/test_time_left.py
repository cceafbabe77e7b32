"""How long a study still takes, by what its own trials teach."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.pace import MOST_EPOCHS, Lengths, Speed, seconds_left


def test_without_any_trial_all_epochs_are_expected() -> None:
    """New trials take all their epochs, running ones the rest of theirs."""
    assert Lengths(20).expected([5, 18], n_new=3) == 15 + 2 + 3 * 20


def test_trials_that_were_stopped_early_shorten_what_is_expected() -> None:
    """Half of the trials end at epoch 2 of 10: 6 epochs on average, 8 more for those beyond."""
    lengths = Lengths(10)
    for epochs in (2, 2, 10, 10):
        lengths.ended(epochs)
    assert lengths.expected([], n_new=4) == pytest.approx(4 * 6)
    assert lengths.expected([2, 9], n_new=0) == pytest.approx(8 + 1)


def test_a_study_does_not_seem_short_while_only_pruned_trials_have_ended() -> None:
    """Those that go on count too: three of four were stopped at epoch 1, one is at epoch 8."""
    lengths = Lengths(10)
    for _ in range(3):
        lengths.ended(1)
    assert lengths.expected([8], n_new=0) == pytest.approx(2)
    assert lengths.expected([8], n_new=4) == pytest.approx(2 + 4 * (1 + 9 / 4))


@given(
    st.integers(1, 30).flatmap(
        lambda epochs: st.tuples(
            st.just(epochs),
            st.lists(st.integers(0, epochs), max_size=30),
            st.lists(st.integers(0, epochs), max_size=30),
            st.integers(0, 100),
        )
    )
)
def test_what_is_expected_is_possible(case: tuple[int, list[int], list[int], int]) -> None:
    """Never less than nothing, never more than all epochs of all trials."""
    epochs, ended, running, n_new = case
    lengths = Lengths(epochs)
    for length in ended:
        lengths.ended(length)
    expected = lengths.expected(running, n_new)
    most = sum(epochs - age for age in running) + epochs * n_new
    assert expected is not None
    assert -1e-9 <= expected <= most + 1e-9


def test_the_time_left_is_right_throughout_a_study_with_pruning() -> None:
    """Of 400 trials, three in four stopped at epoch 1 or 4 of 16: it errs by a fifth at most."""
    rng = random.Random(5)
    true = [rng.choice([1, 1, 4, 16]) for _ in range(400)]
    lengths, speed = Lengths(16), Speed()
    waiting, running = list(true), {}
    n_trained, turn, guesses = 0, 0, []
    while waiting or running:
        while waiting and len(running) < 16:
            running[len(waiting)] = [0, waiting.pop()]
        turn += 1
        n_trained += len(running)
        for key, row in list(running.items()):
            row[0] += 1
            if row[0] == row[1]:
                lengths.ended(row[1])
                del running[key]
        speed.note(n_trained, float(turn))
        left = lengths.expected([age for age, _ in running.values()], len(waiting))
        n_left = len(waiting) + len(running)
        guess = seconds_left(
            epochs_left=left, epochs_per_s=speed.per_s, n_left=n_left, trials_per_s=0.0
        )
        guesses.append((turn, guess))
    early = [(at, guess) for at, guess in guesses if turn * 0.2 < at < turn * 0.8]
    assert early
    assert all(guess == pytest.approx(turn - at, rel=0.2) for at, guess in early)


def test_a_function_is_counted_in_trials() -> None:
    """Its trials have no known end, so only how many ended a second tells."""
    lengths = Lengths(MOST_EPOCHS + 1)
    assert lengths.expected([3], n_new=1) is None
    left = seconds_left(epochs_left=None, epochs_per_s=9.0, n_left=10, trials_per_s=2.0)
    assert left == 5.0
    assert seconds_left(epochs_left=None, epochs_per_s=9.0, n_left=10, trials_per_s=0.0) is None
    assert seconds_left(epochs_left=1.0, epochs_per_s=0.0, n_left=1, trials_per_s=1.0) is None
    assert seconds_left(epochs_left=None, epochs_per_s=0.0, n_left=0, trials_per_s=0.0) == 0.0


def test_a_speed_forgets_what_is_long_past() -> None:
    """After a minute at another pace only that one counts; setting up counts never."""
    speed = Speed()
    assert speed.per_s == 0.0
    for second in range(10):
        speed.note(0, float(second))
    for second in range(10, 70):
        speed.note(100 * (second - 9), float(second))
    assert speed.per_s == pytest.approx(100)
    for second in range(70, 140):
        speed.note(6000 + second - 69, float(second))
    assert speed.per_s == pytest.approx(1)
