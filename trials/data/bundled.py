"""The data sets that come with scikit-learn; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trials.data.assemble import Content, assemble
from trials.data.targets import Target, read_target

if TYPE_CHECKING:
    from trials.data.dataset import Dataset


def breast_cancer(seed: int) -> Dataset:
    """569 tumours, 30 measurements: malignant or benign.

    Source: Street, Wolberg and Mangasarian, Wisconsin diagnostic breast cancer (1993).
    """
    from sklearn.datasets import load_breast_cancer

    return _table("breast_cancer", load_breast_cancer(), seed)


def digits(seed: int) -> Dataset:
    """1,797 handwritten digits, 8x8 pixels from 0 to 1.

    Source: Alpaydin and Kaynak, optical recognition of handwritten digits (1998).
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    content = Content(
        name="digits",
        kind="images",
        x=(bunch.images[:, None] / 16).astype(np.float32),
        target=_classes("digit", bunch),
        feature_names=tuple(bunch.feature_names),
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
        x=bunch.data.astype(np.float32),
        target=read_target("progression", bunch.target, "regression", []),
        feature_names=tuple(bunch.feature_names),
    )
    return assemble(content, seed)


def iris(seed: int) -> Dataset:
    """150 flowers, 4 measurements: three species of iris.

    Source: Fisher, Annals of Eugenics 7 (1936).
    """
    from sklearn.datasets import load_iris

    return _table("iris", load_iris(), seed)


def wine(seed: int) -> Dataset:
    """178 wines, 13 measurements: three growers.

    Source: Forina et al., PARVUS (1988).
    """
    from sklearn.datasets import load_wine

    return _table("wine", load_wine(), seed)


def _table(name: str, bunch: Any, seed: int) -> Dataset:
    """A bundled table whose target is a class."""
    x = bunch.data.astype(np.float32)
    features = tuple(str(feature) for feature in bunch.feature_names)
    return assemble(Content(name, "table", x, _classes("class", bunch), features), seed)


def _classes(name: str, bunch: Any) -> Target:
    """The target of a bundled set, with its classes in the order of the source."""
    words = tuple(str(label) for label in bunch.target_names)
    note = f"target {name!r}: {len(words)} classes {', '.join(words)}"
    return Target(name, "classification", bunch.target.astype(np.int64), words, note)
