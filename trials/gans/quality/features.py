"""Distances between distributions of features and of classes, each by its closed form."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Mean (..., F) and covariance (..., F, F) of features, float64."""

    mean: Tensor
    covariance: Tensor


def moments(features: Tensor) -> Moments:
    """Mean and unbiased covariance of `features`, shape (..., N, F), N at least two."""
    features = features.double()
    mean = features.mean(-2)
    centred = features - mean.unsqueeze(-2)
    covariance = centred.transpose(-1, -2) @ centred / (features.shape[-2] - 1)
    return Moments(mean, covariance)


def frechet_distance(x: Moments, y: Moments) -> Tensor:
    """Squared Frechet distance between Gaussians fitted to two sets of features.

    C_x C_y has the eigenvalues of the symmetric R C_x R with R = C_y^(1/2): so the trace of its
    root needs symmetric decompositions alone.

    Args:
        x: Of generated samples, shapes (K, F) and (K, F, F).
        y: Of real ones, shapes (F) and (F, F).

    Returns:
        |m_x - m_y|^2 + tr(C_x + C_y - 2 (C_x C_y)^(1/2)), float64, shape (K,); nan where x is not
        finite.

    Source: Dowson and Landau, J. Multivar. Anal. 12 (1982); for samples of a GAN, Heusel et al.,
    NeurIPS (2017).
    """
    root = _root(y.covariance)
    inner: Tensor = root @ x.covariance @ root
    is_finite = inner.isfinite().flatten(1).all(1)
    # eigenvalues of matrices that are not finite are an error
    inner = inner.where(is_finite[:, None, None], 0.0)
    values = torch.linalg.eigvalsh(0.5 * (inner + inner.transpose(1, 2)))
    shared = values.clamp_(min=0.0).sqrt_().sum(1)
    traces = _trace(x.covariance) + _trace(y.covariance)
    distance: Tensor = (x.mean - y.mean).square().sum(1) + traces - 2.0 * shared
    return distance.clamp(min=0.0).where(is_finite, torch.nan)


def _root(covariance: Tensor) -> Tensor:
    """The symmetric square root of a covariance, shape (F, F)."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = (vectors * values.clamp_(min=0.0).sqrt_()) @ vectors.T
    return root


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=-2, dim2=-1).sum(-1)


def class_shares(classes: Tensor, n_classes: int) -> Tensor:
    """Share of each class among `classes`, int64, shape (K, N): float64, shape (K, C)."""
    counts = torch.zeros(len(classes), n_classes, dtype=torch.float64, device=classes.device)
    counts.scatter_add_(1, classes, torch.ones_like(classes, dtype=torch.float64))
    return counts / classes.shape[1]


def class_divergence(shares: Tensor, real_shares: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the generated classes from the real ones, in nats.

    Args:
        shares: Of each class among generated samples, shape (K, C).
        real_shares: Among real ones, shape (C).

    Returns:
        float64, shape (K,): 0 for equal shares, log C for one class of C equal ones, infinite
        where a class was made that the real samples do not have.
    """
    terms = torch.xlogy(shares, shares) - torch.xlogy(shares, real_shares)
    return terms.sum(1).clamp(min=0.0)
