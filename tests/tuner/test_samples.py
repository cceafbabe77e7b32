"""Samples of the best, the median and the failed trials are beside them when a study ends."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from optuna_dashboard.artifact._backend import list_trial_artifacts
from stubs import StubTrainer
from torch import Tensor

from trials.contract import Generative, RowState
from tuner.launching import artifacts_folder
from tuner.pictures import grid, png, scatter
from tuner.report.data import SampleSeries
from tuner.samples import stored_samples
from tuner.spec import spec_from_mapping
from tuner.storage import open_storage
from tuner.study import Study, launch_spec

KINDS = {"kind": {"type": "categorical", "choices": ["a", "b", "ill"]}}


class Generator(StubTrainer):
    """A stub that makes points of its epoch and of x."""

    shape = (2,)

    def samples(self, state: RowState, params: Mapping[str, Any]) -> Tensor:
        """Sample i is (epoch, x + i)."""
        made = torch.zeros(300, *self.shape)
        made[..., 0] = float(state["epoch"])
        made[:, -1] = params["x"] + torch.arange(300.0).view(-1, *[1] * (len(self.shape) - 1))
        return made


class Painter(Generator):
    """A stub that makes images."""

    shape = (1, 8, 8)


def launched(url: str, trainer: type = Generator, data: str = "ring", **keys: Any) -> Study:
    """A study of 12 trials of that trainer."""
    given = {"space": KINDS, "sampler": {"name": "random"}, "trials": 12, "study": "s"} | keys
    spec = spec_from_mapping(given | {"data": data, "storage": url})
    return launch_spec(spec, objective=trainer, inline=True)


def samples_of(url: str) -> list[SampleSeries]:
    """What is stored of the study."""
    storage = open_storage(url)
    found = stored_samples(
        storage, storage.get_study_id_from_name("s"), artifacts_folder(url, None)
    )
    storage.close()
    return found


def test_best_median_and_failed_are_shown(url: str) -> None:
    """Each is the trial it is said to be, at epochs up to its last, with what it made there."""
    study = launched(url)
    best, median, ill = samples_of(url)
    complete = sorted(
        (t for t in study.trials if t.state.name == "COMPLETE"), key=lambda t: t.value
    )
    assert (best.trial, best.why) == (complete[0].number, "best")
    assert (median.trial, median.why) == (complete[len(complete) // 2].number, "median")
    assert ill.why == "ill"
    assert study.trials[ill.trial].params["kind"] == "ill"
    assert best.epochs[0] == 1
    assert best.epochs[-1] == 9
    assert ill.epochs == (1, 2, 3)
    for samples in (best, median, ill):
        x = study.trials[samples.trial].params["x"]
        for epoch, frame in zip(samples.epochs, samples.frames, strict=True):
            assert len(frame) == 256
            assert frame[0] == [epoch, float(f"{x:.4g}")]
        assert len(samples.real[0]) == 2


def test_the_dashboard_lists_the_files_at_their_trials(url: str) -> None:
    """One picture an epoch and the numbers, at the trials that have samples and at no other."""
    study = launched(url)
    shown = {samples.trial: samples for samples in samples_of(url)}
    storage = open_storage(url)
    attributes = storage.get_study_system_attrs(storage.get_study_id_from_name("s"))
    storage.close()
    for trial in study.trials:
        files = list_trial_artifacts(attributes, trial.system_attrs, trial)
        if trial.number not in shown:
            assert files == []
            continue
        names = [f"samples-epoch-{epoch:04d}.png" for epoch in shown[trial.number].epochs]
        assert sorted(f["filename"] for f in files) == sorted([*names, "samples.json"])
        for file in files:
            assert (artifacts_folder(url, None) / file["artifact_id"]).stat().st_size > 0


def test_images_are_shown_as_pictures(url: str) -> None:
    """Frames are PNG files as data URLs."""
    launched(url, Painter, "digits")
    best = samples_of(url)[0]
    assert best.kind == "images"
    assert all(frame.startswith("data:image/png;base64,iVBOR") for frame in best.frames)


def test_a_larger_study_replaces_its_samples(url: str) -> None:
    """After more trials the files are those of the trials that are best and median then."""
    study = launched(url, trials=4)
    folder = artifacts_folder(url, None)
    before = {samples.trial for samples in samples_of(url)}
    study.resume(trials=20, objective=Generator, inline=True)
    after = samples_of(url)
    assert {samples.trial for samples in after} != before
    n_files = sum(len(samples.epochs) + 1 for samples in after)
    assert sum(path.is_file() for path in folder.iterdir()) == n_files


def test_no_samples_where_they_are_not_wanted_or_made(url: str) -> None:
    """With samples false, and of trainers that generate nothing, there are no files."""
    launched(url, samples=False)
    assert samples_of(url) == []
    assert not isinstance(StubTrainer, Generative)


def test_a_trial_that_broke_for_other_reasons_is_not_shown(url: str) -> None:
    """An error of the code says nothing of samples; a trial without an epoch has none."""
    kinds = {"kind": {"type": "categorical", "choices": ["a", "boom"]}}
    study = launched(url, space=kinds)
    assert "error" in {t.user_attrs.get("reason") for t in study.trials}
    assert {samples.why for samples in samples_of(url)} == {"best", "median"}


def test_without_complete_trials_failures_are_shown(url: str) -> None:
    """A study in which all training broke shows how, up to the last epoch that was finite."""
    launched(url, space={"kind": "nan"})
    (broken,) = samples_of(url)
    assert (broken.why, broken.epochs) == ("non-finite", (1,))


def unpacked(content: bytes) -> np.ndarray:
    """The pixels of a PNG as we write it; checks the sums of its chunks."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    place, chunks = 8, {}
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        name, body = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        (check,) = struct.unpack(">I", content[place + 8 + length : place + 12 + length])
        assert zlib.crc32(name + body) == check
        chunks[name] = body
        place += 12 + length
    width, height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert depth == 8
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape((height, width) if kind == 0 else (height, width, 3))


@pytest.mark.parametrize("shape", [(3, 5), (4, 2, 3)])
def test_a_png_holds_the_pixels(shape: tuple[int, ...]) -> None:
    """Greys and colours come out as they went in."""
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    assert np.array_equal(unpacked(png(pixels)), pixels)


def test_a_grid_holds_the_images_in_order() -> None:
    """Eight a row, with a line between; black and white are the limits, values beyond are cut."""
    images = np.full((10, 2, 3), 5.0)
    images[0], images[9] = -1.0, 20.0
    sheet = grid(images, 0.0, 10.0)
    assert sheet.shape == (5, 31)
    assert (sheet[:2, :3] == 0).all()
    assert (sheet[3:, 4:7] == 255).all()
    assert (sheet[:2, 4:7] == 127).all()
    assert (sheet[2] == 128).all()


def test_a_scatter_shows_both_clouds_within_its_borders() -> None:
    """Points far off are at the border; the y axis points upwards."""
    real = np.array([[-1.0, -1.0], [1.0, 1.0]])
    sheet = scatter(np.array([[0.0, 1e9], [0.0, 0.5]]), real).astype(int)
    blue = np.argwhere(sheet[..., 2] - sheet[..., 0] > 100)
    assert blue[:, 0].min() <= 1
    assert 60 < blue[:, 0].max() < 160
    grey = np.argwhere((sheet[..., 0] == sheet[..., 2]) & (sheet[..., 0] < 255))
    assert len(grey) == 8


def test_samples_are_plain(url: str) -> None:
    """The file of numbers is JSON without NaN."""
    launched(url)
    files = [path for path in artifacts_folder(url, None).iterdir() if path.is_file()]
    texts = [path.read_text() for path in files if path.read_bytes()[:1] == b"{"]
    assert texts
    for text in texts:
        json.loads(text, parse_constant=pytest.fail)
