"""Hides the study database: Optuna's storage contract over SQL, and our records beside it."""

from tuner.storage.address import absolute_url, database_file, is_in_memory
from tuner.storage.engine import check_address, wal_reset_risk
from tuner.storage.owner import Owner, this_process
from tuner.storage.records import Attempt, Decision, Metric, NewAttempt
from tuner.storage.storage import Storage, open_storage

__all__ = [
    "Attempt",
    "Decision",
    "Metric",
    "NewAttempt",
    "Owner",
    "Storage",
    "absolute_url",
    "check_address",
    "database_file",
    "is_in_memory",
    "open_storage",
    "this_process",
    "wal_reset_risk",
]
