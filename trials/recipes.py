"""How the weights of a trial are used with plain torch: code that stands on its own.

A trainer's recipe is one function here and one line in `RECIPES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trials.recipe_code import (
    BEGINNING,
    LOADING,
    MODULES,
    SCALING_FILE,
    WEIGHTS_FILE,
    Recipe,
    module_code,
    normalization_code,
    predicting,
    sequential_code,
)

if TYPE_CHECKING:
    from torch import Tensor

    from trials.data import Dataset
    from trials.gans.settings import GameSettings

__all__ = ["MODULES", "RECIPES", "SCALING_FILE", "WEIGHTS_FILE", "Recipe", "recipe"]


def recipe(
    trainer: str, data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> Recipe | None:
    """How to use `weights`, or None for a trainer without a recipe.

    Args:
        trainer: Its name.
        data: What it trained on.
        params: Of the trial.
        weights: As `Trainer.weights` names them.
    """
    make = RECIPES.get(trainer)
    return None if make is None else make(data, params, weights)


def _linear(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    from trials.networks.linear import Settings
    from trials.stacked.settings import settings_of

    n_out, n_in = weights["weight"].shape
    settings = settings_of(Settings, params)
    return predicting(data, settings, f"torch.nn.Linear({n_in}, {n_out})", str(n_in))


def _perceptron(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    from trials.networks.mlp import Settings
    from trials.stacked.settings import settings_of

    settings = settings_of(Settings, params)
    activation, dropout = settings.activation, settings.dropout
    network = sequential_code(
        weights, "", activation, dropout, normalization=settings.normalization
    )
    n_inputs = next(iter(weights.values())).shape[1]
    return predicting(data, settings, network, str(n_inputs))


def _convolutional(
    data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> Recipe:
    from trials.networks.cnn import Settings
    from trials.stacked.settings import settings_of

    settings = settings_of(Settings, params)
    size = data.shape[1:]
    pooling = {"max": "MaxPool2d(2)", "average": "AvgPool2d(2)"}[settings.pooling]
    activation, lines = MODULES[settings.activation], []
    for tensor in [tensor for tensor in weights.values() if tensor.ndim == 4]:
        n_out, n_in, kernel, _ = tensor.shape
        is_pooled = min(size) > 1
        lines.append(f"Conv2d({n_in}, {n_out}, {kernel}, padding={kernel // 2})")
        lines += normalization_code(settings.normalization, n_out, n_dims=2)
        lines += [activation, pooling if is_pooled else "Identity()"]
        size = tuple(side // 2 for side in size) if is_pooled else size
    hidden, last = [tensor.shape for tensor in weights.values() if tensor.ndim == 2]
    lines += ["Flatten()", f"Linear({hidden[1]}, {hidden[0]})"]
    lines += normalization_code(settings.normalization, hidden[0])
    lines += [activation, f"Dropout({settings.dropout!r})", f"Linear({last[1]}, {last[0]})"]
    point = ", ".join(str(length) for length in data.shape)
    return predicting(data, settings, module_code(lines), point)


def _vector_gan(
    data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor], told: str = ""
) -> Recipe | None:
    import torch

    from trials.data.scaling import fit_scaling
    from trials.gans.settings import GameSettings
    from trials.stacked.settings import settings_of

    own = {name: value for name, value in params.items() if hasattr(GameSettings, name)}
    settings = settings_of(GameSettings, own)
    norms = {"generator": settings.generator_norm, "discriminator": settings.discriminator_norm}
    if not {"none", "batch"}.issuperset(norms.values()):
        return None  # torch.nn has no module for it
    shift_scale = fit_scaling(settings.input_scaling, data.train.x)
    scaling = {
        "shift": torch.as_tensor(shift_scale.shift).flatten().contiguous(),
        "scale": torch.as_tensor(shift_scale.scale).flatten().contiguous(),
    }
    entries = "\n".join(
        f'        "{player}": {_player(weights, player, settings, norm)},'
        for player, norm in norms.items()
    )
    draws = "standard normal" if settings.latent_distribution == "normal" else "uniform (-1, 1)"
    code = f'''{BEGINNING}model = torch.nn.ModuleDict(
    {{
{entries}
    }}
)
{LOADING}

def generate(z):
    """Points in units of the data for {draws} draws, shape (N, {settings.latent}){told}."""
    with torch.inference_mode():
        return model["generator"](z) * scaling["scale"] + scaling["shift"]
'''
    return Recipe(code, scaling)


def _player(weights: Mapping[str, Tensor], player: str, settings: GameSettings, norm: str) -> str:
    """Code of one player's network."""
    code = sequential_code(weights, f"{player}.", settings.activation, 0.0, 8, norm)
    code = code.replace(MODULES["leaky_relu"], f"LeakyReLU({settings.leak})")
    if player == "discriminator":  # its batches are always those at hand
        code = re.sub(r"(BatchNorm1d\(\d+)", r"\1, track_running_stats=False", code)
    return code


def _info_gan(
    data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> Recipe | None:
    return _vector_gan(data, params, weights, ", and one-hot codes beside them")


def _conditional_gan(
    data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> Recipe | None:
    return _vector_gan(data, params, weights, ", and conditions beside them")


def _coding(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    from trials.recipes_unsupervised import coding

    return coding(data, params, weights)


def _machine(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    from trials.recipes_unsupervised import machine

    return machine(data, params, weights)


def _pretrained(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    from trials.recipes_unsupervised import pretrained

    return pretrained(data, params, weights)


def _recurrent(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    from trials.recipes_sequences import recurrent

    return recurrent(data, params, weights)


def _steps(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    from trials.recipes_sequences import convolutional

    return convolutional(data, params, weights)


def _encoder(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    from trials.recipes_sequences import encoder

    return encoder(data, params, weights)


def _tree(data: Dataset, params: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Recipe:
    from trials.recipes_sequences import tree

    return tree(data, params, weights)


RECIPES: dict[str, Callable[[Dataset, Mapping[str, Any], Mapping[str, Tensor]], Recipe | None]] = {
    "linear": _linear,
    "mlp": _perceptron,
    "cnn": _convolutional,
    "cnn_1d": _steps,
    "rnn": _recurrent,
    "transformer": _encoder,
    "recursive": _tree,
    "autoencoder": _coding,
    "rbm": _machine,
    "dbn": _pretrained,
    "pretrained": _pretrained,
    "gan": _vector_gan,
    "infogan": _info_gan,
    "conditional_gan": _conditional_gan,
}
"""Name of a trainer -> the function (data, params, weights) -> Recipe."""
