"""The best trial is written to a folder from which plain torch predicts the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import optuna
import pytest
import torch
from safetensors.torch import load_file
from stubs import StubTrainer, folder_files
from torch.nn import functional

import tuner
from search_spaces import Space
from trials import data
from trials.data.scaling import ScalingKind
from trials.gans.quality import N_SAMPLES, Quality
from trials.networks.mlp import Settings
from trials.recipes import MODULES
from trials.stacked.activations import ACTIVATIONS
from trials.stacked.noise import generator, normal_tape
from tuner.errors import InputError
from tuner.plan import weights_file

FILES = ["model_card.md", "params.json", "scaling.safetensors", "weights.safetensors"]


QUICK = {"optimizer": "adam", "learning_rate": 0.02, "layers": 1, "units": 32, "l1": 1e-7}
"""Axes by which a network learns something within two epochs."""


def run_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the code of a card defines, run in its folder."""
    text = (folder / "model_card.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def launch(url: str, trainer: Any = "mlp", **keys: Any) -> tuner.Study:
    """A short study, inline."""
    given = {"trials": 3, "epochs": 2, "slots": 2, "sampler": "random", "study": "s"} | keys
    return tuner.launch(trainer, storage=url, inline=True, **given)


def test_there_is_a_module_for_every_activation() -> None:
    """No activation of the stacked networks lacks its counterpart in torch.nn."""
    assert set(ACTIVATIONS) <= set(MODULES)


@pytest.mark.parametrize("activation", [*ACTIVATIONS])
def test_a_classifier_predicts_the_same(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, activation: str
) -> None:
    """The card's code, on raw inputs, has the loss and accuracy that the trainer measured."""
    plain = {"activation": activation, "dropout": 0.3, "learning_rate": 0.01, "units": 20}
    space = Space.from_plain(plain)
    (saved,) = launch(url, data="iris", trials=1, space=space).save_best(tmp_path / "best")
    assert folder_files(tmp_path / "best") == FILES
    predict = run_card(saved.folder, monkeypatch)["predict"]
    test = data.load("iris", seed=tuner.load("s", storage=url).spec.split_seed).test
    chances = predict(torch.as_tensor(test.x))
    answers = torch.as_tensor(test.y)
    assert (chances.argmax(1) == answers).double().mean().item() == saved.test["test_accuracy"]
    loss = functional.nll_loss(chances.double().log(), answers).item()
    assert loss == pytest.approx(saved.test["test_loss"], rel=1e-5)


@pytest.mark.parametrize("scaling", get_args(ScalingKind))
def test_a_regression_predicts_in_its_own_unit(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scaling: str
) -> None:
    """Predictions of the card's code have the mean squared error that the trainer measured."""
    space = Space.from_plain({"input_scaling": scaling} | QUICK)
    (saved,) = launch(url, data="diabetes", space=space).save_best(tmp_path / "best")
    predict = run_card(saved.folder, monkeypatch)["predict"]
    test = data.load("diabetes", seed=tuner.load("s", storage=url).spec.split_seed).test
    errors = predict(torch.as_tensor(test.x)) - torch.as_tensor(test.y)
    assert errors.square().mean().item() == pytest.approx(saved.test["test_loss"], rel=1e-4)


@pytest.mark.parametrize("scaling", ["standardize", "zca"])
def test_an_image_model_takes_pixels(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scaling: str
) -> None:
    """Images, flattened, are scaled by one figure for all pixels, and whitened where asked."""
    space = Space.from_plain({"input_scaling": scaling} | QUICK)
    (saved,) = launch(url, data="digits", trials=1, space=space).save_best(tmp_path / "best")
    predict = run_card(saved.folder, monkeypatch)["predict"]
    test = data.load("digits", seed=tuner.load("s", storage=url).spec.split_seed).test
    chances = predict(torch.as_tensor(test.x).flatten(1))
    hits = chances.argmax(1) == torch.as_tensor(test.y)
    assert hits.double().mean().item() == saved.test["test_accuracy"]


def test_a_generator_makes_the_same_points(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same latent draws give points of the distance that the trainer measured."""
    (saved,) = launch(url, "gan", data="ring", epochs=1).save_best(tmp_path / "best")
    names = run_card(saved.folder, monkeypatch)
    latent = json.loads((saved.folder / "params.json").read_text())["latent"]
    draws = normal_tape(generator(0, "evaluation latent"), 1, (N_SAMPLES, latent))[0]
    ring = data.load("ring", seed=tuner.load("s", storage=url).spec.split_seed)
    quality = Quality(torch.as_tensor(ring.test.x), torch.as_tensor(ring.modes), ring.mode_std)
    figures = quality.figures(names["generate"](draws).unsqueeze(0))
    distance = float(figures["sample_distance"])
    assert distance == pytest.approx(saved.test["sample_distance"], rel=1e-5)
    assert names["model"]["discriminator"](torch.zeros(1, 2)).shape == (1, 1)


def test_the_folder_holds_parameters_weights_and_origin(url: str, tmp_path: Path) -> None:
    """Parameters are JSON; the card names value, test figures, data, seeds and versions."""
    study = launch(url, data="iris")
    (saved,) = study.save_best(tmp_path / "best")
    best = study.best_trial
    assert (saved.trial, saved.values, saved.test) == (best.number, (best.value,), study.test)
    assert json.loads((saved.folder / "params.json").read_text()) == best.params
    text = (saved.folder / "model_card.md").read_text(encoding="utf-8")
    spec = study.spec
    facts = [repr(best.value), repr(saved.test["test_accuracy"]), torch.__version__]
    facts += [str(spec.split_seed), study.record().environment["data_fingerprint"], "setosa"]
    assert all(fact in text for fact in facts)


def test_weights_that_were_not_kept_are_trained_again(url: str, tmp_path: Path) -> None:
    """Without its file the best trial's weights are the same, from its seed."""
    for trainer, source in (("mlp", "iris"), ("gan", "ring")):
        study = launch(url, trainer, data=source, study=trainer, epochs=3, pruner="none")
        (kept,) = study.save_best(tmp_path / f"{trainer}-kept")
        weights_file(study.artifacts, kept.trial).unlink()
        (again,) = study.save_best(tmp_path / f"{trainer}-again")
        assert (kept.was_retrained, again.was_retrained) == (False, True)
        assert again.test == kept.test
        before, after = (load_file(s.folder / "weights.safetensors") for s in (kept, again))
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_every_member_of_the_front_gets_a_folder(url: str, tmp_path: Path) -> None:
    """Of two objectives the whole front is saved, or one trial that is asked for."""
    study = launch(
        url, data="iris", trials=6, objectives=["validation_loss", "validation_accuracy"]
    )
    saved = study.save_best(tmp_path / "front")
    numbers = {trial.number for trial in study.best_trials}
    assert {one.trial for one in saved} == numbers
    if len(numbers) > 1:
        assert {one.folder.name for one in saved} == {f"trial-{n}" for n in numbers}
    other = next(trial.number for trial in study.trials if trial.number not in numbers)
    (one,) = study.save_best(tmp_path / "one", trial=other)
    assert folder_files(one.folder) == FILES
    study.save_best(tmp_path / "front", force=True)


def test_a_function_has_parameters_and_a_card(url: str, tmp_path: Path) -> None:
    """Nothing is known of a function's weights, and its code is not needed."""

    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", 0, 1)

    tuner.launch(objective, trials=2, storage=url, inline=True, study="f")
    tuner.load("f", storage=url).save_best(tmp_path / "best")
    assert folder_files(tmp_path / "best") == ["model_card.md", "params.json"]


def test_a_trainer_without_a_recipe_has_weights(url: str, tmp_path: Path) -> None:
    """A user's own trainer gets its weights under its own names, without code to load them."""
    study = launch(url, StubTrainer, epochs=None)
    study.save_best(tmp_path / "best")
    assert folder_files(tmp_path / "best") == ["model_card.md", "params.json", FILES[-1]]


def test_a_folder_is_replaced_only_when_asked_and_only_if_ours(url: str, tmp_path: Path) -> None:
    """What stands there stays without `force`, and what is not ours stays with it."""
    study = launch(url, StubTrainer, epochs=None)
    folder = tmp_path / "best"
    folder.mkdir()
    study.save_best(folder)
    with pytest.raises(InputError, match="--force"):
        study.save_best(folder)
    study.save_best(folder, force=True)
    (folder / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match=r"must hold nothing else, got 'thesis\.tex'"):
        study.save_best(folder, force=True)
    assert (folder / "thesis.tex").read_text() == "years"
    (tmp_path / "link").symlink_to(folder)
    for place in (tmp_path / "link", folder / "thesis.tex", tmp_path / "no" / "best"):
        with pytest.raises(InputError, match="--out"):
            study.save_best(place, force=True)


def test_a_failure_half_way_leaves_what_was_there(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a test of the weights fails, the former folder is whole and nothing else is there."""
    study = launch(url, StubTrainer, epochs=None)
    study.save_best(tmp_path / "best")
    card = (tmp_path / "best" / "model_card.md").read_bytes()

    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StubTrainer, "test", fail)
    with pytest.raises(InputError, match="No space left"):
        study.save_best(tmp_path / "best", force=True)
    assert (tmp_path / "best" / "model_card.md").read_bytes() == card
    assert not list(tmp_path.glob(".best*"))


def test_only_a_complete_trial_is_saved(url: str, tmp_path: Path) -> None:
    """A pruned or missing trial, and a study without a complete one, are refused."""
    study = launch(url, StubTrainer, trials=12, epochs=None)
    pruned = next(trial.number for trial in study.trials if trial.state.name == "PRUNED")
    with pytest.raises(InputError, match="must be COMPLETE, got PRUNED"):
        study.save_best(tmp_path / "best", trial=pruned)
    with pytest.raises(InputError, match="0 to 11"):
        study.save_best(tmp_path / "best", trial=12)
    optuna.create_study(study_name="empty", storage=url)
    with pytest.raises(InputError, match="no complete trial"):
        tuner.load("empty", storage=url).save_best(tmp_path / "best")
    assert not (tmp_path / "best").exists()


def test_changed_data_is_refused(url: str, tmp_path: Path) -> None:
    """Weights are not put beside the scaling of other data than they were trained on."""
    table = tmp_path / "t.csv"
    lines = [f"{i},{i % 7},{i % 2}" for i in range(60)]
    table.write_text("\n".join(["a,b,y", *lines]), encoding="utf-8")
    study = launch(url, data={"file": str(table), "target": "y"}, trials=1)
    table.write_text("\n".join(["a,b,y", *lines[:-1], "9,9,1"]), encoding="utf-8")
    with pytest.raises(InputError, match="data have changed"):
        study.save_best(tmp_path / "best")


def test_settings_of_the_recipe_are_the_trainers() -> None:
    """A trial that does not name its activation has the trainer's default."""
    assert Settings().activation in MODULES


@pytest.mark.parametrize(("trainer", "data_name"), [("mlp", "iris"), ("cnn", "digits")])
@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_a_normalised_network_predicts_the_same(
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trainer: str,
    data_name: str,
    kind: str,
) -> None:
    """The card's code has the normalization, with its running statistics."""
    plain = {"normalization": kind, "units": 20, "layers": 1, "batch_size": 64}
    study = launch(url, trainer, data=data_name, trials=1, space=Space.from_plain(plain), epochs=1)
    (saved,) = study.save_best(tmp_path / "best")
    predict = run_card(saved.folder, monkeypatch)["predict"]
    test = data.load(data_name, seed=tuner.load("s", storage=url).spec.split_seed).test
    chances = predict(torch.as_tensor(test.x))
    loss = functional.nll_loss(chances.double().log(), torch.as_tensor(test.y)).item()
    assert loss == pytest.approx(saved.test["test_loss"], rel=1e-4)
