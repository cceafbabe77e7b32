"""The lane's loop over a ledger that only takes notes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stubs import Clock, Given, StubCohort, StubTrainer, curve, folder_files, lane_info

from trials.contract import Progress
from trials.data import load as load_data
from tuner.lane import Keeping, Lane
from tuner.messages import Answer, Assignment, LaneInfo, Turn, Verdict, Welcome

DATA = load_data("iris", seed=0)


class Script:
    """A connection that gives prepared answers and remembers the turns."""

    def __init__(self, welcome: Welcome, answers: Sequence[Answer] = ()) -> None:
        self.welcome = welcome
        self.answers = list(answers)
        self.turns: list[Turn] = []

    def join(self, info: LaneInfo) -> Welcome:
        return self.welcome

    def exchange(self, turn: Turn) -> Given:
        self.turns.append(turn)
        return Given(self.answers.pop(0) if self.answers else Answer())

    def call(self, method: str, *arguments: Any) -> Any:
        raise AssertionError(method)


def assignment(trial_id: int, epochs: int = 3, **keys: Any) -> Assignment:
    """A trial of the stub; its token is 100 more than its id."""
    params = {"x": 0.5, "kind": keys.pop("kind", "a")}
    return Assignment(trial_id, trial_id, trial_id + 100, params, 7, epochs, **keys)


def make(script: Script, folder: Path, trainer: Any = None, **keeping: Any) -> Lane:
    """A lane of 4 slots on a stopped clock, which pauses never."""
    kept = Keeping(folder, **{"every_s": 1e9, **keeping})
    clock = Clock()
    return Lane(
        lane_info(), trainer or StubTrainer(DATA), script, kept, clock=clock, sleep=lambda s: None
    )


def test_the_answer_to_a_turn_is_applied_after_the_next_turn_trained(tmp_path: Path) -> None:
    """Trials handed out for turn 1 first report in turn 3."""
    first = Welcome(answer=Answer(trials=(assignment(1),)))
    script = Script(first, [Answer(trials=(assignment(2),))])
    lane = make(script, tmp_path)
    lane.start()
    for _ in range(4):
        lane.turn()
    reported = [[report.trial_id for report in turn.reports] for turn in script.turns]
    assert reported == [[], [1], [1, 2], [1, 2]]


def test_stacks_take_turns_so_that_no_row_trains_in_vain(tmp_path: Path) -> None:
    """Of two stacks one trains while the other is judged; a row that is stopped never trains on."""
    trials = assignment(1), assignment(2, kind="b")
    script = Script(
        Welcome(answer=Answer(trials=trials)),
        [Answer(), Answer(verdicts=(Verdict(1, 101, "stop"),))],
    )
    lane = make(script, tmp_path)
    lane.start()
    for _ in range(5):
        lane.turn()
    assert told(script) == [[], [(1, 1)], [(2, 1)], [(2, 2)], [(2, 3)]]
    assert not any(turn.n_late for turn in script.turns)
    assert [turn.n_rows for turn in script.turns] == [0, 2, 2, 1, 1]


def test_a_row_that_rests_next_turn_does_not_count_as_free(tmp_path: Path) -> None:
    """Before its last epoch, the slot is offered while the row has its turn, and no sooner."""
    trials = assignment(1, epochs=1), assignment(2, epochs=1, kind="b")
    script = Script(Welcome(answer=Answer(trials=trials)))
    lane = make(script, tmp_path)
    lane.start()
    for _ in range(3):
        lane.turn()
    assert [turn.ending for turn in script.turns] == [(1,), (2,), ()]
    assert [turn.n_free for turn in script.turns] == [3, 4, 4]


def test_a_row_that_rested_is_not_saved_again(tmp_path: Path) -> None:
    """Each checkpoint is told once: the ledger removes what was there before it."""
    trials = assignment(1), assignment(2, kind="b")
    script = Script(Welcome(answer=Answer(trials=trials)))
    lane = make(script, tmp_path, every_s=0.0)
    lane.start()
    for _ in range(5):
        lane.turn()
    saved = [[(s.trial_id, s.epoch) for s in turn.saved] for turn in script.turns]
    assert saved == [[], [(1, 1)], [(2, 1)], [(1, 2)], [(2, 2)]]


def test_a_lane_goes_on_with_the_stacks_that_are_due(tmp_path: Path) -> None:
    """A rejoining lane first trains what it would have trained; a turn says what is due next."""
    trials = assignment(1), assignment(2, kind="b")
    script = Script(Welcome(answer=Answer(trials=trials)))
    first = make(script, tmp_path)
    first.start()
    first.turn()
    first.turn()
    again = Script(Welcome(rows=trials, due=script.turns[-1].due))
    second = make(again, tmp_path)
    second.start()
    second.turn()
    assert (told(script), told(again)) == ([[], [(1, 1)]], [[(2, 1)]])


def test_a_row_that_ends_next_turn_counts_as_free(tmp_path: Path) -> None:
    """The slot of a row at its last epoch but one is offered before it is empty."""
    script = Script(Welcome(answer=Answer(trials=(assignment(1, epochs=2),))))
    lane = make(script, tmp_path)
    lane.start()
    for _ in range(3):
        lane.turn()
    assert [turn.n_free for turn in script.turns] == [3, 4, 4]


def test_a_stopped_row_reports_no_more(tmp_path: Path) -> None:
    """The epoch that a row trained while its verdict was under way is not told."""
    script = Script(
        Welcome(answer=Answer(trials=(assignment(1),))),
        [Answer(), Answer(verdicts=(Verdict(1, 101, "stop"),))],
    )
    lane = make(script, tmp_path)
    lane.start()
    for _ in range(4):
        lane.turn()
    assert [len(turn.reports) for turn in script.turns] == [0, 1, 0, 0]


def test_a_verdict_on_an_earlier_attempt_leaves_the_row_alone(tmp_path: Path) -> None:
    """A row goes on when the verdict's token is not its own."""
    script = Script(
        Welcome(answer=Answer(trials=(assignment(1),))),
        [Answer(), Answer(verdicts=(Verdict(1, 99, "stop"),))],
    )
    lane = make(script, tmp_path)
    lane.start()
    for _ in range(3):
        lane.turn()
    assert [len(turn.reports) for turn in script.turns] == [0, 1, 1]


def test_weights_to_keep_are_those_of_the_last_epoch(tmp_path: Path) -> None:
    """The file of a kept row holds its state at its last epoch; no other file is left."""
    path = tmp_path / "weights" / "w.safetensors"
    script = Script(
        Welcome(answer=Answer(trials=(assignment(1, epochs=2),))),
        [Answer(), Answer(), Answer(verdicts=(Verdict(1, 101, "keep", str(path)),))],
    )
    lane = make(script, tmp_path / "checkpoints")
    lane.start()
    for _ in range(4):
        lane.turn()
    from trials.state_file import read_state

    assert int(read_state(path)["epoch"]) == 2
    assert folder_files(tmp_path) == ["weights/w.safetensors"]


def test_the_best_epoch_is_kept_where_it_is_the_value(tmp_path: Path) -> None:
    """With `best_of`, the file holds the state of the epoch with the best value."""
    path = tmp_path / "w.safetensors"
    script = Script(
        Welcome(answer=Answer(trials=(assignment(1),))),
        [Answer()] * 3 + [Answer(verdicts=(Verdict(1, 101, "keep", str(path)),))],
    )
    lane = make(script, tmp_path, best_of=(("loss", "maximize"),))
    lane.start()
    for _ in range(5):
        lane.turn()
    from trials.state_file import read_state

    assert int(read_state(path)["epoch"]) == 1


def test_a_lane_that_is_told_to_save_leaves_its_rows_on_disk(tmp_path: Path) -> None:
    """On `save` every row is checkpointed and named in the last turn, and the lane ends."""
    script = Script(
        Welcome(answer=Answer(trials=(assignment(1), assignment(2)))),
        [Answer(), Answer(state="save")],
    )
    lane = make(script, tmp_path)
    lane.run()
    assert script.turns[-1].leaving
    assert [(s.trial_id, s.epoch) for s in script.turns[-1].saved] == [(1, 2), (2, 2)]
    assert folder_files(tmp_path) == ["1-2.safetensors", "2-2.safetensors"]


def test_rows_of_an_earlier_life_catch_up_from_their_checkpoints(tmp_path: Path) -> None:
    """Rows with different checkpoints all report the epoch after the one the ledger knows."""
    save = Script(
        Welcome(answer=Answer(trials=(assignment(1, epochs=9), assignment(2, epochs=9)))),
        [Answer(), Answer(state="save")],
    )
    make(save, tmp_path).run()
    path = str(tmp_path / "1-2.safetensors")
    rows = (
        assignment(1, epochs=9, checkpoint=path, start_epoch=2, known_epochs=5),
        assignment(2, epochs=9, known_epochs=3),
    )
    script = Script(Welcome(rows=rows))
    lane = make(script, tmp_path)
    lane.start()
    lane.turn()
    told = {r.trial_id: (r.epoch, r.metrics["loss"]) for r in script.turns[0].reports}
    params = rows[0].params
    assert told == {1: (6, curve(params, 7, 6)), 2: (4, curve(params, 7, 4))}


class OneBreaks(StubCohort):
    """A cohort that fails while the row of trial 2 is in it at its second epoch."""

    error = "shapes do not match"

    def advance(self) -> list[Progress]:
        if 2 in self.rows and self.epochs[2] == 1:
            raise RuntimeError(self.error)
        return super().advance()


class BreakingTrainer(StubTrainer):
    """A trainer of such cohorts."""

    cohorts: type[StubCohort] = OneBreaks

    def cohort(self, structure: object) -> StubCohort:
        return self.cohorts()


def test_a_row_that_breaks_its_cohort_fails_alone(tmp_path: Path) -> None:
    """An error in a cohort of three fails the row that causes it; its mates go on unharmed."""
    trials = tuple(assignment(n) for n in (1, 2, 3))
    script = Script(Welcome(answer=Answer(trials=trials)))
    lane = make(script, tmp_path, BreakingTrainer(DATA))
    lane.start()
    for _ in range(4):
        lane.turn()
    failures = [failure for turn in script.turns for failure in turn.failures]
    assert [(f.trial_id, f.reason) for f in failures] == [(2, "error")]
    assert told(script) == [[], [(1, 1), (2, 1), (3, 1)], [(1, 2), (3, 2)], [(1, 3), (3, 3)]]


def told(script: Script) -> list[list[tuple[int, int]]]:
    """Trial and epoch of every report, by turn."""
    return [[(r.trial_id, r.epoch) for r in turn.reports] for turn in script.turns]


class Crowded(StubCohort):
    """A cohort whose memory holds two rows from their second epoch on."""

    def advance(self) -> list[Progress]:
        if len(self.rows) > 2 and max(self.epochs.values()) > 0:
            raise RuntimeError("CUDA out of memory")
        return super().advance()


class CrowdedTrainer(BreakingTrainer):
    """A trainer of such cohorts."""

    cohorts = Crowded


def test_out_of_memory_halves_the_rows_of_the_lane(tmp_path: Path) -> None:
    """The latest half of the rows is given back untold; the others train on as if nothing was."""
    trials = tuple(assignment(n) for n in (1, 2, 3, 4))
    script = Script(Welcome(answer=Answer(trials=trials)))
    lane = make(script, tmp_path, CrowdedTrainer(DATA))
    lane.start()
    for _ in range(4):
        lane.turn()
    first = [(n, 1) for n in (1, 2, 3, 4)]
    assert told(script) == [[], first, [(1, 2), (2, 2)], [(1, 3), (2, 3)]]
    assert [turn.returned for turn in script.turns] == [(), (), (104, 103), ()]
    assert [turn.n_slots for turn in script.turns] == [4, 4, 2, 2]
    assert not any(turn.failures for turn in script.turns)
    losses = [r.metrics["loss"] for turn in script.turns for r in turn.reports if r.trial_id == 1]
    assert losses == [curve(assignment(1).params, 7, epoch) for epoch in (1, 2, 3)]


class TooLarge(OneBreaks):
    """A cohort that has no memory for trial 2."""

    error = "CUDA out of memory"


class TooLargeTrainer(BreakingTrainer):
    """A trainer of such cohorts."""

    cohorts = TooLarge


def test_a_trial_that_does_not_fit_alone_fails(tmp_path: Path) -> None:
    """A trial that runs out of memory alone in the lane fails, and all slots are back then."""
    trials = (assignment(1), assignment(2))
    script = Script(
        Welcome(answer=Answer(trials=trials)),
        [Answer(), Answer(), Answer(verdicts=(Verdict(1, 101, "stop"),), trials=(trials[1],))],
    )
    lane = make(script, tmp_path, TooLargeTrainer(DATA))
    lane.start()
    for _ in range(6):
        lane.turn()
    assert [turn.returned for turn in script.turns][:3] == [(), (), (102,)]
    failures = [(f.trial_id, f.reason) for turn in script.turns for f in turn.failures]
    assert failures == [(2, "oom")]
    assert [turn.n_slots for turn in script.turns] == [4, 4, 1, 1, 1, 4]


def test_trials_beyond_the_slots_left_are_given_back(tmp_path: Path) -> None:
    """An answer that was under way when memory ran out does not fill the lane again."""
    trials = tuple(assignment(n) for n in (1, 2, 3, 4))
    late = Answer(trials=(assignment(5),))
    script = Script(Welcome(answer=Answer(trials=trials)), [Answer(), late])
    lane = make(script, tmp_path, CrowdedTrainer(DATA))
    lane.start()
    for _ in range(3):
        lane.turn()
    assert script.turns[-1].returned == (104, 103, 105)


def test_rows_are_checkpointed_as_they_train(tmp_path: Path) -> None:
    """With no time between checkpoints every epoch but the first and last of a row is on disk."""
    script = Script(Welcome(answer=Answer(trials=(assignment(1),))))
    lane = make(script, tmp_path, every_s=0.0)
    lane.start()
    for _ in range(5):
        lane.turn()
    assert folder_files(tmp_path) == ["1-1.safetensors", "1-2.safetensors"]
    assert [saved.epoch for turn in script.turns for saved in turn.saved] == [1, 2]


def test_a_lost_checkpoint_means_a_start_from_the_beginning(tmp_path: Path) -> None:
    """A row whose file is gone is trained from its first epoch to where the ledger knows it."""
    gone = str(tmp_path / "gone.safetensors")
    row = assignment(1, epochs=9, checkpoint=gone, start_epoch=4, known_epochs=5)
    script = Script(Welcome(rows=(row,)))
    lane = make(script, tmp_path)
    lane.start()
    lane.turn()
    assert [(r.epoch, r.metrics["loss"]) for r in script.turns[0].reports] == [
        (6, curve(row.params, 7, 6))
    ]


def test_weights_of_a_row_that_ends_in_the_last_turn_are_kept(tmp_path: Path) -> None:
    """The verdicts on the leaving turn are carried out: a complete row's weights are written."""
    path = tmp_path / "weights" / "w.safetensors"
    script = Script(
        Welcome(answer=Answer(trials=(assignment(1, epochs=2),))),
        [
            Answer(),
            Answer(state="save"),
            Answer(verdicts=(Verdict(1, 101, "keep", str(path)),), state="done"),
        ],
    )
    make(script, tmp_path / "checkpoints").run()
    assert script.turns[-1].leaving
    assert folder_files(tmp_path / "weights") == ["w.safetensors"]


class Refusing(StubCohort):
    """A cohort that cannot take the row of trial 2."""

    def admit(self, rows: Any, states: Any = None) -> None:
        if any(row.key == 2 for row in rows):
            raise RuntimeError("no room")
        super().admit(rows, states)


class RefusingTrainer(StubTrainer):
    """A trainer of such cohorts."""

    def cohort(self, structure: object) -> StubCohort:
        return Refusing()


def test_a_row_that_cannot_be_admitted_fails_alone(tmp_path: Path) -> None:
    """A row that breaks the set-up of its cohort is told as failed; the others train."""
    trials = tuple(assignment(n) for n in (1, 2, 3))
    script = Script(Welcome(answer=Answer(trials=trials)))
    lane = make(script, tmp_path, RefusingTrainer(DATA))
    lane.start()
    for _ in range(3):
        lane.turn()
    assert [f.trial_id for turn in script.turns for f in turn.failures] == [2]
    assert told(script) == [[], [(1, 1)], [(3, 1)]]
