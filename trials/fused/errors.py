"""How mistakes in a user's own model are reported: all at once, as those in data are."""

from __future__ import annotations

from trials.data import DataError


class ModelError(DataError):
    """A model, loss or space that cannot be trained, on any data or on those that were given."""
