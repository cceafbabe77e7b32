"""What training may raise: which errors are a trial's own, and which say that memory ran out."""

from __future__ import annotations

import gc
import sys
import traceback

TRAINING_ERRORS = (Exception,)
"""What fails the row in whose step or set-up it is raised, a user's own kind of error included.

An OSError there is the machine's, not the row's: it ends the lane, whose trials can be resumed.
"""

_OUT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory")
"""What torch's RuntimeError says of a GPU, and of the host on Linux and elsewhere."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the host or on a GPU."""
    if isinstance(error, MemoryError):
        return True
    # An error of the caller's may raise another one when it is asked for its text.
    text = "".join(traceback.format_exception_only(error)).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _OUT_OF_MEMORY)


def free_memory() -> None:
    """What nobody needs any more is given back, to the device too."""
    gc.collect()
    # A function may train without torch, and is then not made to import it.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
