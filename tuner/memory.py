"""How much memory this process uses, on the host or on its GPU."""

from __future__ import annotations

import psutil


def host_bytes() -> int:
    """Bytes of the host's memory that the process holds."""
    return int(psutil.Process().memory_info().rss)


def gpu_bytes() -> int:
    """Bytes of its GPU's memory that torch holds in the process."""
    import torch

    return int(torch.cuda.memory_reserved())
