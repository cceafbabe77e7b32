"""Hides what becomes of open storages when their process forks or ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import weakref

from tuner.errors import StorageError
from tuner.storage.transactions import Transactions

_living: weakref.WeakSet[Transactions] = weakref.WeakSet()
_locked: list[Transactions] = []


def follow(transactions: Transactions) -> None:
    """Waiting writes are flushed when the process ends; a forked child connects anew."""
    _living.add(transactions)


def _before_fork() -> None:
    _locked.extend(_living)
    for transactions in _locked:
        transactions.lock.acquire()


def _after_fork_in_parent() -> None:
    while _locked:
        _locked.pop().lock.release()


def _after_fork_in_child() -> None:
    while _locked:
        _locked.pop().restart()


def _at_exit() -> None:
    for transactions in list(_living):
        # Nobody is left to be told; the flusher has warned before.
        with contextlib.suppress(StorageError):
            transactions.close()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
