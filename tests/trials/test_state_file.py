"""A state file is whole or not there, and what is wrong with it is an error of the system."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch

from trials.state_file import read_state, write_state


def test_a_full_disk_is_an_error_with_the_path(tmp_path: Path) -> None:
    """A file that cannot grow leaves what was there before, and no part of the new one."""
    path = tmp_path / "row.safetensors"
    write_state(path, {"w": torch.ones(3)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_state(path, {"w": torch.ones(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.filename == str(path)
    assert read_state(path)["w"].tolist() == [1, 1, 1]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"half", b"\x10\0\0\0\0\0\0\0{}" * 3])
def test_a_damaged_file_is_an_error_with_the_path(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no safetensors are refused, not guessed at."""
    path = tmp_path / "row.safetensors"
    path.write_bytes(content)
    with pytest.raises(OSError, match="is damaged") as caught:
        read_state(path)
    assert caught.value.filename == str(path)
