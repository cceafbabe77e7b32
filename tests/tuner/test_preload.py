"""What waiting processes import beforehand, seen in processes of their own; no Ray is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SHOW = "import sys, threading\n{code}\n{wait}\nprint('colorsys' in sys.modules)"
WAIT = "[t.join() for t in threading.enumerate() if t.name == 'preload']"


def imported(code: str, mark: Path) -> bool:
    """Whether a process that runs `code` has imported what it should beforehand."""
    surroundings = os.environ | {
        "TUNER_PRELOAD": "colorsys",
        "TUNER_PRELOAD_MARK": str(mark),
    }
    command = [sys.executable, "-c", SHOW.format(code=code, wait=WAIT)]
    ran = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True)
    return ran.stdout.strip() == "True"


def test_the_others_import_once_the_ledger_has_its_process(tmp_path: Path) -> None:
    """A process that will be a lane has its modules before it is asked."""
    (tmp_path / "mark").touch()
    assert imported("import tuner.preload", tmp_path / "mark")


def test_the_ledgers_process_imports_nothing_beforehand(tmp_path: Path) -> None:
    """It says so to the others by the mark."""
    assert not imported("from tuner import preload; preload.spare()", tmp_path / "mark")
    assert (tmp_path / "mark").exists()


def test_without_a_ledger_they_do_not_wait_for_ever(tmp_path: Path) -> None:
    """A Ray whose ledger came from somewhere else gets lanes that are ready, a little later."""
    assert imported("import tuner.preload", tmp_path / "never")
