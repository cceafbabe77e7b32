"""`python -m tuner` is the command `tuner`."""

import sys

from tuner.cli import run

if __name__ == "__main__":
    sys.exit(run())
