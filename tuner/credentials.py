"""What people may see of an address: hides where in it a password may stand."""

from __future__ import annotations

import re

_HIDDEN = r"(?:[^\s'\"/?#]*|(?!\d+[/?#])[^\s'\"]*)"
"""A password: to the last @ before the path, or beyond that if no port stands there instead."""

_USER = re.compile(rf"(?<=://)(?:[^\s'\"/?#]*|[^\s'\"/?#:@]*:{_HIDDEN})@")
_PASSWORD = re.compile(rf"(?<=://)([^\s'\"/?#:@]*:){_HIDDEN}(?=@)")
_OPTION = re.compile(
    r"([?&;][^\s=&]*(?:password|passwd|pwd|token|secret)[^\s=&]*=)[^\s&'\"]*", re.IGNORECASE
)


def without_password(text: str) -> str:
    """`text` in which each password of an address, before its host or an option, is `***`.

    A password may hold any sign but blanks and quotes, and what looks like a port and a path.
    """
    for pattern in (_PASSWORD, _OPTION):
        text = pattern.sub(r"\1***", text)
    return text


def without_user(url: str) -> str:
    """`url` without its user and password, and without options that hold a secret."""
    return _OPTION.sub(r"\1***", _USER.sub("", url))


def behind_user(text: str) -> str:
    """What can be shown of a text that is no address: nothing that stands before its last @."""
    shown = _OPTION.sub(r"\1***", text)
    return f"***@{shown.rpartition('@')[2]}" if "@" in shown else shown
