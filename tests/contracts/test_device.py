"""What every trainer promises a GPU: the host does not wait for it in the middle of an epoch."""

import pytest
from small_trainers import small_trainer
from torch.utils._python_dispatch import TorchDispatchMode

from trials import TRAINERS
from trials.contract import Row

PENALTIES = ("dropout", "dropconnect", "max_norm", "sparsity_weight", "l1", "l2")
N_POINTS = 512
READS = ("item", "_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal")


class Reads(TorchDispatchMode):
    """Counts operations whose result the host must wait for."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Runs `func`, and notes it if the host reads what it computes."""
        if func.overloadpacket.__name__ in READS:
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", TRAINERS)
def test_reads_do_not_grow_with_steps(name):
    """An epoch of four times as many steps reads the device as often."""
    trainer = small_trainer(name, N_POINTS)
    counts = []
    for batch_size in (256, 64):
        params = {"batch_size": batch_size}
        params |= {"layers": 1} if "layers" in trainer.domain else {}
        params |= {axis: 0.3 for axis in PENALTIES if axis in trainer.domain}
        cohort = trainer.cohort(trainer.structure(params))
        cohort.admit([Row(key, params, key, 2) for key in range(2)])
        cohort.advance()
        with Reads() as reads:
            cohort.advance()
        counts.append(len(reads.found))
    assert counts[0] == counts[1]
