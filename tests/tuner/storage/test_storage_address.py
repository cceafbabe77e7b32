"""Addresses of databases mean the same file everywhere, and wrong ones are refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.errors import InputError, StorageError
from tuner.spec import spec_from_mapping
from tuner.storage import absolute_url, database_file, open_storage


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///studies.db", "studies.db"),
        ("sqlite:///a%20b%25.db?timeout=5", "a b%.db"),
        ("sqlite:///a b#c.db", "a b#c.db"),
        ("sqlite:////full/x.db", "/full/x.db"),
    ],
)
def test_every_reader_of_an_address_finds_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, file: str
) -> None:
    """The file, the address from another folder and what is opened agree on escapes."""
    monkeypatch.chdir(tmp_path)
    elsewhere = absolute_url(url)
    assert database_file(url) == tmp_path / file
    if not file.startswith("/"):
        open_storage(url).close()
        assert (tmp_path / file).exists()
    monkeypatch.chdir("/")
    assert database_file(elsewhere) == tmp_path / file
    assert elsewhere.partition("?")[2] == url.partition("?")[2]


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x.db?uri=true", "postgresql://u:p@h/d"],
)
def test_what_is_no_plain_file_stays_as_it_is(url: str) -> None:
    """Servers, memory and SQLite's own file addresses have no file to be found."""
    assert database_file(url) is None
    assert absolute_url(url) == url


WRONG = [
    ("studies.db", "must be a database URL"),
    ("", "must not be empty"),
    ("sqlite:/studies.db", "must be a database URL"),
    ("sqlite://studies.db", "must have three slashes"),
    ("postgrez://me:geheim@host/d", "must be a database URL"),
    ("me:geheim@host/d", "must be a database URL"),
    ("postgresql://me:geh@eim@host/d", "must have one @"),
    ("postgresql://me:ge/h@eim@host/d", "write %40"),
]


@pytest.mark.parametrize(("url", "message"), WRONG)
def test_a_wrong_address_is_bad_input(url: str, message: str) -> None:
    """A spec and an opening refuse it in the same words, and show nothing of a password."""
    with pytest.raises(StorageError, match=message) as opening:
        open_storage(url)
    with pytest.raises(InputError, match=message) as reading:
        spec_from_mapping({"trainer": "mlp", "storage": url})
    assert str(opening.value) == str(reading.value)
    assert opening.value.exit_code == InputError.exit_code
    assert "eim" not in str(opening.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql+nodriver://me:geheim@host/d", "postgresql://me:geheim@h:port/d"],
)
def test_what_only_the_driver_knows_is_bad_input_too(url: str) -> None:
    """A driver that is not installed and a port that is no number are exit code 2."""
    with pytest.raises(InputError) as caught:
        open_storage(url)
    assert "geheim" not in str(caught.value)
