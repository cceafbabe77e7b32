"""The data sets that come with scikit-learn; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trials.data.assemble import Content, assemble

if TYPE_CHECKING:
    from trials.data.dataset import Dataset


def breast_cancer(seed: int) -> Dataset:
    """569 tumours, 30 measurements: malignant or benign.

    Source: Street, Wolberg and Mangasarian, Wisconsin diagnostic breast cancer (1993).
    """
    from sklearn.datasets import load_breast_cancer

    return _classes("breast_cancer", load_breast_cancer(), seed)


def digits(seed: int) -> Dataset:
    """1,797 handwritten digits, 8x8 pixels from 0 to 1.

    Source: Alpaydin and Kaynak, optical recognition of handwritten digits (1998).
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    content = Content(
        name="digits",
        kind="images",
        task="classification",
        x=(bunch.images[:, None] / 16).astype(np.float32),
        y=bunch.target.astype(np.int64),
        feature_names=tuple(bunch.feature_names),
        classes=tuple(str(name) for name in bunch.target_names),
        target_name="digit",
        notes=("target 'digit': 10 classes 0 to 9",),
    )
    return assemble(content, seed)


def diabetes(seed: int) -> Dataset:
    """442 patients, 10 measurements: progression of the disease after a year.

    Source: Efron, Hastie, Johnstone and Tibshirani, Annals of Statistics 32 (2004).
    """
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes()
    content = Content(
        name="diabetes",
        kind="table",
        task="regression",
        x=bunch.data.astype(np.float32),
        y=bunch.target.astype(np.float32),
        feature_names=tuple(bunch.feature_names),
        target_name="progression",
        notes=("target 'progression': numbers from 25 to 346, a regression",),
    )
    return assemble(content, seed)


def iris(seed: int) -> Dataset:
    """150 flowers, 4 measurements: three species of iris.

    Source: Fisher, Annals of Eugenics 7 (1936).
    """
    from sklearn.datasets import load_iris

    return _classes("iris", load_iris(), seed)


def wine(seed: int) -> Dataset:
    """178 wines, 13 measurements: three growers.

    Source: Forina et al., PARVUS (1988).
    """
    from sklearn.datasets import load_wine

    return _classes("wine", load_wine(), seed)


def _classes(name: str, bunch: Any, seed: int) -> Dataset:
    """A bundled table whose target is a class."""
    classes = tuple(str(label) for label in bunch.target_names)
    content = Content(
        name=name,
        kind="table",
        task="classification",
        x=bunch.data.astype(np.float32),
        y=bunch.target.astype(np.int64),
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
        classes=classes,
        target_name="class",
        notes=(f"target 'class': {len(classes)} classes {', '.join(classes)}",),
    )
    return assemble(content, seed)
