"""What TensorBoard's own reader finds in the event files is what the study database says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tracked_objective import FAILED, N_STEPS, PRUNED

from tuner.report.data import Finding, TrialRecord
from tuner.study import Study
from tuner.trackers import tensorboard
from tuner.trackers.contract import Outcome, TrackedStudy
from tuner.trackers.tensorboard import TensorBoard

STUDY = TrackedStudy("0123456789ab", "../a study <b>", ("loss",))
BEGAN = datetime(2026, 5, 4, 3, 2, 1)


def trial(n_steps: int, state: str = "RUNNING", number: int = 7, **more: object) -> TrialRecord:
    """A trial with a loss and an accuracy after so many steps."""
    loss = {step: 1.0 / step for step in range(1, n_steps + 1)}
    figures = {"loss": loss, "accuracy": dict.fromkeys(loss, 0.5)}
    ended = None if state == "RUNNING" else BEGAN + timedelta(seconds=10)
    values = (1.0 / n_steps,) if state == "COMPLETE" else None
    params = {"lr": 0.25, "nesterov": True, "kind": "a", "none": None}
    return TrialRecord(
        number,
        state,  # type: ignore[arg-type]
        values,
        params,
        started=BEGAN,
        ended=ended,
        metrics=figures,
        **more,  # type: ignore[arg-type]
    )


def opened(folder: Path) -> TensorBoard:
    """A tracker that knows the study, as a process of its own would have it."""
    tracker = TensorBoard(str(folder))
    tracker.open(STUDY)
    return tracker


def read(run: Path) -> EventAccumulator:
    """A run as TensorBoard reads it."""
    found = EventAccumulator(str(run))
    found.Reload()
    return found


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of every figure of a run, in the order of its files."""
    found = read(run)
    return {
        tag: [(event.step, pytest.approx(event.value)) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def hparams(run: Path, tag: str) -> bytes:
    """What the page of hyperparameters reads of a run."""
    return bytes(read(run).SummaryMetadata(tag).plugin_data.content)


def runs(folder: Path) -> dict[str, Path]:
    """The folders of trials, by name."""
    return {path.name: path for path in folder.glob("*/trial-*")}


def contents(folder: Path) -> Mapping[Path, bytes]:
    """Every file below the folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_trial_is_a_run_with_its_figures(tmp_path: Path) -> None:
    """Steps, values, the result and the moments between start and end are there."""
    opened(tmp_path).put(trial(4, "COMPLETE"))
    (run,) = runs(tmp_path).values()
    assert run.relative_to(tmp_path).as_posix() == "a-study-b-0123456789ab/trial-00007"
    assert scalars(run) == {
        "loss": [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 0.25)],
        "accuracy": [(step, 0.5) for step in range(1, 5)],
        "value/loss": [(4, 0.25)],
    }
    times = [event.wall_time - BEGAN.timestamp() for event in read(run).Scalars("loss")]
    assert times == [2.5, 5.0, 7.5, 10.0]


@pytest.mark.parametrize(
    ("state", "status"),
    [("COMPLETE", STATUS_SUCCESS), ("PRUNED", STATUS_SUCCESS), ("FAIL", STATUS_FAILURE)],
)
def test_hyperparameters_and_status_are_on_their_page(
    tmp_path: Path, state: str, status: int
) -> None:
    """Each value has its type; a trial that failed is marked so, with its reason in words."""
    found = Finding("collapse", "mode 3 only", 2)
    opened(tmp_path).put(trial(2, state, reason="why", error="x\nlast line", findings=(found,)))
    (run,) = runs(tmp_path).values()
    content = hparams(run, metadata.SESSION_START_INFO_TAG)
    start = metadata.parse_session_start_info_plugin_data(content)
    assert start.start_time_secs == BEGAN.timestamp()
    assert start.hparams["lr"].number_value == 0.25
    assert start.hparams["nesterov"].bool_value is True
    assert start.hparams["kind"].string_value == "a"
    assert start.hparams["none"].string_value == "None"
    content = hparams(run, metadata.SESSION_END_INFO_TAG)
    end = metadata.parse_session_end_info_plugin_data(content)
    assert end.status == status
    assert end.end_time_secs == BEGAN.timestamp() + 10
    (told,) = read(run).Tensors(tensorboard.OUTCOME)
    words = told.tensor_proto.string_val[0].decode()
    assert words == f"{state}: why\nlast line\ncollapse at epoch 2: mode 3 only"


def test_a_long_trial_is_followed_and_never_told_twice(tmp_path: Path) -> None:
    """Put again and again as it trains, by two processes, each step is there once."""
    first = opened(tmp_path)
    for n_steps in (1, 1, 3):
        first.put(trial(n_steps))
    second = opened(tmp_path)
    second.put(trial(3))
    second.put(trial(5, "COMPLETE"))
    second.put(trial(5, "COMPLETE"))
    (run,) = runs(tmp_path).values()
    assert scalars(run)["loss"] == [(step, 1.0 / step) for step in range(1, 6)]
    assert scalars(run)["value/loss"] == [(5, 0.2)]
    assert len(list(run.iterdir())) == 2


def test_a_trial_that_was_told_is_left_as_it_is(tmp_path: Path) -> None:
    """Another process that puts an ended trial again changes no file."""
    opened(tmp_path).put(trial(3, "PRUNED"))
    before = contents(tmp_path)
    again = opened(tmp_path)
    again.put(trial(3, "PRUNED"))
    again.close(Outcome(is_finished=True))
    assert contents(tmp_path) == before


@pytest.mark.parametrize("lost", [1, 20, 200])
def test_a_file_that_a_crash_cut_is_completed_by_another(tmp_path: Path, lost: int) -> None:
    """What the cut took away is written anew, once, and can be read."""
    opened(tmp_path).put(trial(6, "COMPLETE"))
    (run,) = runs(tmp_path).values()
    whole = scalars(run)
    (file,) = run.iterdir()
    file.write_bytes(file.read_bytes()[:-lost])
    opened(tmp_path).put(trial(6, "COMPLETE"))
    assert scalars(run) == whole
    assert hparams(run, metadata.SESSION_END_INFO_TAG)


def test_what_does_not_fit_on_the_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed write the file is as it was, and the same trial can be put again."""
    tracker = opened(tmp_path)
    tracker.put(trial(2))
    before = contents(tmp_path)
    opening = Path.open

    class Full:
        """A file that takes one byte."""

        def __init__(self, path: Path) -> None:
            self.stream = opening(path, "ab", buffering=0)
            self.n_left = 1

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.stream.close()

        def tell(self) -> int:
            return self.stream.tell()

        def truncate(self, size: int) -> None:
            self.stream.truncate(size)

        def write(self, content: bytes) -> int:
            if not self.n_left:
                raise OSError(28, "No space left on device")
            self.n_left = 0
            return self.stream.write(content[:1]) or 0

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, *_, **__: Full(path))
        with pytest.raises(OSError, match="No space"):
            tracker.put(trial(4))
    assert contents(tmp_path) == before
    tracker.put(trial(4, "COMPLETE"))
    (run,) = runs(tmp_path).values()
    assert [step for step, _ in scalars(run)["loss"]] == [1, 2, 3, 4]


def test_a_study_is_mirrored_and_goes_on(tmp_path: Path, launch: Callable[..., Study]) -> None:
    """Complete, pruned and failed trials are runs; a resumed study adds its own and no more."""
    folder = tmp_path / "events"
    study = launch(5, tensorboard=str(folder))
    before = contents(folder)
    assert len(runs(folder)) == 5
    study.resume(trials=7, inline=True)
    after = contents(folder)
    assert {path: after[path] for path in before} == before
    study = launch(8)  # without the option nothing more is told
    assert sorted(runs(folder)) == [f"trial-{n:05d}" for n in range(7)]
    for frozen in study.trials[:7]:
        run = runs(folder)[f"trial-{frozen.number:05d}"]
        told = scalars(run)
        assert told["value"] == sorted(frozen.intermediate_values.items())
        result = [(N_STEPS - 1, frozen.value)] if frozen.state.name == "COMPLETE" else None
        assert told.get("value/value") == result
    told = scalars(runs(folder)[f"trial-{FAILED:05d}"])
    assert len(told["value"]) == 1
    assert len(scalars(runs(folder)[f"trial-{PRUNED:05d}"])["value"]) == 2


def test_a_folder_that_cannot_be_made_harms_no_study(
    tmp_path: Path, launch: Callable[..., Study], caplog: pytest.LogCaptureFixture
) -> None:
    """One warning, and the study is finished."""
    file = tmp_path / "file"
    file.touch()
    study = launch(5, tensorboard=str(file / "events"))
    assert study.state == "finished"
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("tensorboard: ")
    assert line.endswith("; the study goes on")
