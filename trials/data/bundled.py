"""The data sets that come with scikit-learn; nothing is downloaded.

Its files are read without importing it, which would take a second of every start.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trials.data.assemble import Content, assemble
from trials.data.errors import DataError
from trials.data.targets import Target, read_target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trials.data.dataset import Dataset

_CELL = (
    *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity"),
    *("concave points", "symmetry", "fractal dimension"),
)
_FEATURES = {
    "breast_cancer": (
        *(f"mean {name}" for name in _CELL),
        *(f"{name} error" for name in _CELL),
        *(f"worst {name}" for name in _CELL),
    ),
    "diabetes": ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
    "iris": ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"),
    "wine": (
        *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols"),
        *("flavanoids", "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue"),
        *("od280/od315_of_diluted_wines", "proline"),
    ),
}


def breast_cancer(seed: int) -> Dataset:
    """569 tumours, 30 measurements: malignant or benign.

    Source: Street, Wolberg and Mangasarian, Wisconsin diagnostic breast cancer (1993).
    """
    return _classes_table("breast_cancer", "breast_cancer.csv", seed)


def digits(seed: int) -> Dataset:
    """1,797 handwritten digits, 8x8 pixels from 0 to 1.

    Source: Alpaydin and Kaynak, optical recognition of handwritten digits (1998).
    """
    rows = np.loadtxt(_file("digits.csv.gz"), delimiter=",")
    content = Content(
        name="digits",
        kind="images",
        x=(rows[:, :-1].reshape(-1, 1, 8, 8) / 16).astype(np.float32),
        target=_classes("digit", tuple("0123456789"), rows[:, -1]),
        feature_names=tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
    )
    return assemble(content, seed)


def diabetes(seed: int) -> Dataset:
    """442 patients, 10 measurements: progression of the disease after a year.

    Columns are centred and scaled so that their squares sum to 1, as scikit-learn gives them.
    Source: Efron, Hastie, Johnstone and Tibshirani, Annals of Statistics 32 (2004).
    """
    raw = np.loadtxt(_file("diabetes_data_raw.csv.gz"))
    progression = np.loadtxt(_file("diabetes_target.csv.gz"))
    content = Content(
        name="diabetes",
        kind="table",
        x=((raw - raw.mean(0)) / raw.std(0) / len(raw) ** 0.5).astype(np.float32),
        target=read_target("progression", progression, "regression", []),
        feature_names=_FEATURES["diabetes"],
    )
    return assemble(content, seed)


def iris(seed: int) -> Dataset:
    """150 flowers, 4 measurements: three species of iris.

    Source: Fisher, Annals of Eugenics 7 (1936).
    """
    return _classes_table("iris", "iris.csv", seed)


def wine(seed: int) -> Dataset:
    """178 wines, 13 measurements: three growers.

    Source: Forina et al., PARVUS (1988).
    """
    return _classes_table("wine", "wine_data.csv", seed)


def _classes_table(name: str, file: str, seed: int) -> Dataset:
    """A table whose first line ends with its classes, and whose last column counts them."""
    path = _file(file)
    with path.open(encoding="utf-8") as lines:
        words = tuple(next(lines).strip().split(",")[2:])
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    target = _classes("class", words, rows[:, -1])
    x = rows[:, :-1].astype(np.float32)
    return assemble(Content(name, "table", x, target, _FEATURES[name]), seed)


def _classes(name: str, words: tuple[str, ...], drawn: NDArray[np.float64]) -> Target:
    """The target of a set, with its classes in the order of the source."""
    note = f"target {name!r}: {len(words)} classes {', '.join(words)}"
    return Target(name, "classification", drawn.astype(np.int64), words, note)


def _file(name: str) -> Path:
    """A data file of the installed scikit-learn."""
    spec = find_spec("sklearn")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    path = Path(folders[0], "datasets", "data", name) if folders else None
    if path is None or not path.exists():
        raise DataError([f"data: scikit-learn must be installed with its data files, no {name!r}"])
    return path
