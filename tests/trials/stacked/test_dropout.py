"""Factors of units under dropout."""

import torch

from trials.stacked.batches import pieces
from trials.stacked.dropout import Dropout, padding_masks
from trials.stacked.network import Site

LIKE = torch.zeros(1)


def masks_of(sites, padded, seeds=(1, 2)):
    """Factors of every step of an epoch of four steps of 16 points."""
    dropout = Dropout(sites, padded, seeds, LIKE)
    dropout.begin([0] * len(sites))
    return dropout.masks(next(pieces(64, 16, 100)))


def test_masks_hide_padding_and_keep_the_mean():
    """Padded units are always zero, kept units are scaled, rows without dropout are all ones."""
    sites = [[Site(0.5, (20,))] * 2, [Site(0.0, (9,))] * 2]
    steps = masks_of(sites, [(32,), (32,)])
    assert len(steps) == 4
    for layers in steps:
        for mask in layers:
            assert mask.shape == (2, 16, 32)
            assert set(mask[0, :, :20].unique().tolist()) == {0.0, 2.0}
            assert not mask[0, :, 20:].any()
            assert torch.equal(mask[1], (torch.arange(32) < 9).float().expand(16, 32))


def test_sites_have_shapes_and_rates_of_their_own():
    """Two sites of one row differ in rate and number of dimensions; each is padded by itself."""
    sites = [[Site(0.0, (3, 5)), Site(0.75, (7,))]]
    first, second = masks_of(sites, [(3, 16), (16,)], seeds=[1])[0]
    assert first.shape == (1, 16, 3, 16)
    assert torch.equal(first[0, 0, 0], (torch.arange(16) < 5).float())
    assert set(second[0, :, :7].unique().tolist()) == {0.0, 4.0}
    assert not second[0, :, 7:].any()


def test_rows_with_fewer_sites_lack_the_first():
    """A shallow row has factors at the last sites alone, the ones it would have by itself."""
    deep, shallow = [Site(0.5, (8,))] * 3, [Site(0.5, (8,))]
    together = masks_of([deep, shallow], [(8,)] * 3)
    alone = masks_of([shallow], [(8,)], seeds=[2])
    for mixed, own in zip(together, alone, strict=True):
        assert [len(mask) for mask in mixed] == [1, 1, 2]
        assert torch.equal(mixed[2][1], own[0][0])


def test_no_dropout_makes_no_masks():
    """Where no row drops anything there are no factors, and they take no memory."""
    dropout = Dropout([[Site(0.0, (8,))]], [(16,)], [1], LIKE)
    dropout.begin([0])
    assert list(dropout.masks(next(pieces(64, 16, 100)))) == [None] * 4
    assert dropout.n_numbers == 0
    assert Dropout([[Site(0.1, (8,))]], [(2, 16)], [1], LIKE).n_numbers == 32


def test_padding_masks_are_for_padded_rows():
    """Units beyond a row's own are zero; nothing is needed where no row is padded, or all stay."""
    kinds = ["relu", "sigmoid"]
    assert padding_masks(kinds, [16, 16], 2, 16, LIKE) is None
    assert padding_masks(["relu", "tanh"], [16, 3], 2, 16, LIKE) is None
    masks = padding_masks(kinds, [16, 3], 2, 16, LIKE)
    assert len(masks) == 2
    assert masks[0].sum(2).flatten().tolist() == [16, 3]
