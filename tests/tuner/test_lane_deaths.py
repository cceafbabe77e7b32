"""What Ray Tune says of lanes that end without being asked."""

from __future__ import annotations

import logging

import pytest
from ray.exceptions import ActorDiedError
from ray.tune.execution import tune_controller

from tuner.cluster.run import quiet_deaths


def test_the_death_of_a_lane_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ray Tune's own words on it are left out; those on any other error are not."""
    logger = logging.getLogger(tune_controller.__name__)
    monkeypatch.setattr(logger, "propagate", False)
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    with quiet_deaths():
        logger.error("killed", exc_info=ActorDiedError())
        logger.error("wrong", exc_info=ValueError("no"))
        logger.error("strange")
    logger.error("later", exc_info=ActorDiedError())
    assert [record.message for record in caplog.records] == ["wrong", "strange", "later"]
