"""Optuna's own suite for storages, over every kind of database."""

from __future__ import annotations

from optuna.testing.pytest_storages import StorageTestCase


class TestOptunaContract(StorageTestCase):
    """The `storage` fixture gives SQLite and PostgreSQL in turn; no test is left out."""
