"""Opening creates what is missing, refuses what is wrong, and writes nothing before it knows."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.study import StudyDirection

from tests.tuner.storage.conftest import optuna_storage
from tuner.errors import StorageError
from tuner.storage import Storage, open_storage, schema, wal_reset_risk
