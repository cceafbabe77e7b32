"""What a local Ray has in place of an agent: it does nothing until Ray's node is gone."""

import os
import sys
import time

POLL_S = 0.5


def is_there(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    node, driver = os.getppid(), int(sys.argv[1])
    # The driver too, should the node have been gone before this process could look.
    while os.getppid() == node and is_there(driver):
        time.sleep(POLL_S)
