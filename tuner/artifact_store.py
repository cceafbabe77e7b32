"""Uploaded files by plain name in one folder: hides how nothing beside or beyond it is reached."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound


class PlainFiles:
    """An artifact store of Optuna that refuses paths and links.

    Args:
        folder: Where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = FileSystemArtifactStore(folder)

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The open file.

        Raises:
            ArtifactNotFound: There is no such plain file in the folder.
        """
        return self._store.open_reader(self._own(artifact_id))

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """The file holds the content."""
        self._store.write(self._own(artifact_id), content_body)

    def remove(self, artifact_id: str) -> None:
        """The file is gone."""
        self._store.remove(self._own(artifact_id))

    def _own(self, artifact_id: str) -> str:
        path = self._folder / Path(artifact_id).name
        if path.name != artifact_id or path.is_symlink() or path.is_dir():
            raise ArtifactNotFound(f"artifact {artifact_id!r}: must be a plain file of the store")
        return artifact_id
