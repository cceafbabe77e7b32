"""Studies for the report's tests."""

import pytest
import report_samples

from tuner.report.data import StudyRecord


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
