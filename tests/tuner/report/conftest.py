"""Studies for the report's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import report_pages
import report_samples
from report_pages import Page

from tuner.report.data import StudyRecord
from tuner.storage import open_storage
from tuner.storage.storage import Storage


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Storage, Path]]:
    """One database for all made-up studies."""
    path = tmp_path_factory.mktemp("numbers") / "s.db"
    storage = open_storage(f"sqlite:///{path}")
    yield storage, path
    storage.close()


@pytest.fixture(scope="session")
def page(database: tuple[Storage, Path]) -> Page:
    """A study of one objective, by plain Optuna."""
    return report_pages.study(database)


@pytest.fixture(scope="session")
def ours(database: tuple[Storage, Path]) -> Page:
    """Another one of ours, with lanes: its trials that were never tried are foreign."""
    return report_pages.study(database, seed=5, add=report_pages.launched)


@pytest.fixture(scope="session")
def mlp() -> StudyRecord:
    """A study of 200 trials of which halving pruned most."""
    return report_samples.mlp_study()


@pytest.fixture(scope="session")
def gan() -> StudyRecord:
    """A study of two objectives."""
    return report_samples.two_objectives()


@pytest.fixture(scope="session")
def hostile() -> StudyRecord:
    """A study in which every text tries to act."""
    return report_samples.hostile()


@pytest.fixture(scope="session")
def large() -> StudyRecord:
    """A study of 10,000 trials."""
    return report_samples.mlp_study(10_000)
