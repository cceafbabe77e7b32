"""The GPU benchmark: it ends politely without a GPU, and what it compares is the same work."""

import pytest
import torch

from trials import TRAINERS


@pytest.fixture
def gpu(monkeypatch, request):
    """The benchmark as a module."""
    monkeypatch.syspath_prepend(str(request.config.rootpath / "benchmarks"))
    import gpu

    return gpu


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_ends(gpu, capsys):
    """Exit code 0 and one line."""
    assert gpu.main([]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("no GPU here: nothing is measured")


def test_every_work_is_measured_and_equals_plain_torch(gpu, capsys):
    """A tiny run prints serial, stacked and vmap figures of each work, after an equality check."""
    assert gpu.main(["--device", "cpu", "--quick"]) == 0
    printed = capsys.readouterr().out
    n_works = len(gpu.works())
    assert n_works == 4
    assert printed.count(", equal\n") == printed.count("serial  ") == n_works
    assert "NOT EQUAL" not in printed


def test_rows_without_room_do_not_end_the_run(gpu, monkeypatch, capsys):
    """Where memory is short the figure is nan, and the others follow."""

    def too_much(*about):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gpu, "stacked_seconds", too_much)
    monkeypatch.setattr(gpu, "vmap_seconds", lambda *about: 1.0)
    assert gpu.measure(gpu.works(0.05)[0], (2, 4), 1, torch.device("cpu"))
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split()[:2] for line in lines] == [["2", "nan"], ["4", "nan"]]


def test_another_work_is_not_equal(gpu):
    """The check sees that plain training at another rate gives other weights."""
    work = gpu.works(0.05)[0]
    plain = work.plain_epoch

    def other(row, weights, data):
        changed = dict(row.params) | {"learning_rate": 2 * row.params["learning_rate"]}
        return plain(type(row)(row.key, changed, row.seed, row.epochs), weights, data)

    work.plain_epoch = other
    assert gpu.difference(work, torch.device("cpu")) > 1e-6


def test_every_work_has_a_trainer_of_the_table(gpu):
    """What is measured is what users launch."""
    for work in gpu.works():
        assert f"{work.kind.__module__}:{work.kind.__name__}" in TRAINERS.values()
