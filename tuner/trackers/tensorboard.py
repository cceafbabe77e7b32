"""Hides how trials become TensorBoard's event files: one run a trial, with its hyperparameters."""

from __future__ import annotations

import io
import itertools
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import (
    STATUS_FAILURE,
    STATUS_SUCCESS,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)
from tensorboard.summary.writer.record_writer import RecordWriter

from tuner.report.data import TrialRecord
from tuner.report.text import encodable
from tuner.trackers.contract import (
    ENDED,
    Outcome,
    TrackedStudy,
    course,
    curves,
    in_words,
    results,
)

FINAL = "value/"
"""What stands before an objective's name in the tag of a trial's result."""

OUTCOME = "outcome"
"""Tag of the text that says how a trial ended."""

_TEXT = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))


@dataclass
class _Written:
    """What files of a trial hold.

    Attributes:
        last: Tag -> last step of its figures.
        has_begun: Its hyperparameters are there.
        has_ended: Nothing is missing.
        file: Where this process adds to it.
    """

    last: dict[str, int] = field(default_factory=dict)
    has_begun: bool = False
    has_ended: bool = False
    file: Path | None = None


class TensorBoard:
    """A folder that `tensorboard --logdir` reads: a folder a study in it, and in that one a trial.

    Every process writes files of its own, so that one which a crash left half written harms only
    itself; what is in the files of others is not written again.
    """

    name = "tensorboard"

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder).absolute()
        self._study: TrackedStudy | None = None
        self._known: dict[int, _Written] = {}

    def open(self, study: TrackedStudy) -> None:
        """The study's folder is there."""
        self._study = study
        self._root.mkdir(parents=True, exist_ok=True)

    def put(self, trial: TrialRecord) -> None:
        """The trial's folder holds its hyperparameters, every figure, and how it ended."""
        known = self._known.get(trial.number)
        if known is None:
            known = self._known[trial.number] = _read(self._run(trial.number))
        if known.has_ended:
            return
        events = list(self._events(trial, known))
        if events:
            self._append(known, trial.number, events)
        known.has_begun = True
        known.has_ended = trial.state in ENDED
        for name, points in curves(trial, self._objectives).items():
            known.last[encodable(name)] = max(points, default=-1)

    def close(self, outcome: Outcome) -> None:
        """Nothing: every trial's files are whole."""

    @property
    def _root(self) -> Path:
        assert self._study is not None
        return self._folder / self._study.folder

    @property
    def _objectives(self) -> tuple[str, ...]:
        assert self._study is not None
        return self._study.objectives

    def _run(self, number: int) -> Path:
        return self._root / f"trial-{number:05d}"

    def _append(self, known: _Written, number: int, events: list[Event]) -> None:
        """All events are in the trial's file, or none."""
        file = known.file or _new_file(self._run(number))
        file.parent.mkdir(parents=True, exist_ok=True)
        if known.file is None:
            events.insert(0, Event(wall_time=events[0].wall_time, file_version="brain.Event:2"))
        packed = io.BytesIO()
        writer = RecordWriter(packed)
        for event in events:
            writer.write(event.SerializeToString())
        _append_whole(file, packed.getvalue())
        known.file = file

    def _events(self, trial: TrialRecord, known: _Written) -> Iterator[Event]:
        figures = curves(trial, self._objectives)
        when = course(trial, figures)
        ended, last = when.ended, when.length
        if not known.has_begun:
            start = _session_start(trial, when.began)
            yield Event(wall_time=when.began, step=0, summary=start)
        for name, points in sorted(figures.items()):
            tag = encodable(name)
            for step in sorted(s for s in points if s > known.last.get(tag, -1)):
                value = Summary.Value(tag=tag, simple_value=points[step])
                yield Event(wall_time=when.at(step), step=step, summary=Summary(value=[value]))
        if trial.state not in ENDED:
            return
        for name, result in results(trial, self._objectives).items():
            if encodable(FINAL + name) in known.last:
                continue
            final = Summary.Value(tag=encodable(FINAL + name), simple_value=result)
            yield Event(wall_time=ended, step=last, summary=Summary(value=[final]))
        yield Event(wall_time=ended, step=last, summary=_session_end(trial, ended))


def _read(run: Path) -> _Written:
    """What earlier processes wrote of a trial; what cannot be read counts as not written."""
    found = _Written()
    for path in sorted(run.glob("events.out.tfevents.*")):
        for raw in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(raw)
            for value in event.summary.value:
                if value.tag == metadata.SESSION_START_INFO_TAG:
                    found.has_begun = True
                elif value.tag == metadata.SESSION_END_INFO_TAG:
                    found.has_ended = True
                elif not value.HasField("metadata"):
                    found.last[value.tag] = max(event.step, found.last.get(value.tag, -1))
    return found


def _new_file(run: Path) -> Path:
    """A file that is not there yet; TensorBoard reads those of a run in order of their names."""
    stem = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}"
    return next(file for n in itertools.count() if not (file := run / f"{stem}.{n}").exists())


def _append_whole(file: Path, content: bytes) -> None:
    """The content is at the end of the file; where it does not fit, the file is as it was."""
    with file.open("ab", buffering=0) as stream:
        size, left = stream.tell(), content
        try:
            while left:
                left = left[stream.write(left) :]
        except OSError:
            stream.truncate(size)
            raise


def _session_start(trial: TrialRecord, began: float) -> Summary:
    start = SessionStartInfo(start_time_secs=began)
    for name, value in trial.params.items():
        place = start.hparams[encodable(name)]
        if isinstance(value, bool):
            place.bool_value = value
        elif isinstance(value, int | float):
            place.number_value = value
        else:
            place.string_value = encodable(value)
    return _of_hparams(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))


def _session_end(trial: TrialRecord, ended: float) -> Summary:
    """The end of the session, as the hyperparameters' page has it, and in words."""
    status = STATUS_FAILURE if trial.state == "FAIL" else STATUS_SUCCESS
    info = SessionEndInfo(status=status, end_time_secs=ended)
    words = encodable(in_words(trial)).encode()
    tensor = TensorProto(dtype=DT_STRING, string_val=[words])
    summary = _of_hparams(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=info))
    told = Summary.Value(tag=OUTCOME, metadata=_TEXT, tensor=tensor)
    summary.value.insert(0, told)
    return summary


def _of_hparams(tag: str, data: HParamsPluginData) -> Summary:
    about = metadata.create_summary_metadata(data)
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=metadata.NULL_TENSOR)])
