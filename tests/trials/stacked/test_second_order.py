"""Second-order updaters: against torch.optim, exact solutions and a matrix written out."""

import pytest
import torch
from torch import nn

from trials.stacked.optimizers.second_order import (
    ITERATIONS,
    WHOLE,
    conjugate_gradient,
    hessian_free,
    lbfgs,
)


class Quadratic:
    """Rows of w.A.w / 2 - b.w, each with its own matrix."""

    def __init__(self, n_rows, n, spread):
        rng = torch.Generator().manual_seed(n)
        basis = torch.linalg.qr(torch.randn(n_rows, n, n, generator=rng, dtype=torch.float64))[0]
        scales = torch.logspace(0, spread, n, dtype=torch.float64)
        self.matrix = basis @ torch.diag(scales) @ basis.transpose(1, 2)
        self.constant = torch.randn(n_rows, n, generator=rng, dtype=torch.float64)
        self.parameters = torch.zeros(n_rows, n, dtype=torch.float64)
        self.n_gradients = 0

    def gradient(self):
        """A.w - b."""
        self.n_gradients += 1
        return self.bend(self.parameters) - self.constant

    def bend(self, direction):
        """A times the direction."""
        return (self.matrix @ direction.unsqueeze(2)).squeeze(2)

    @property
    def solution(self):
        """Where the gradient is zero."""
        return torch.linalg.solve(self.matrix, self.constant)


RATES = torch.ones(3, 1, dtype=torch.float64)


def test_lbfgs_takes_the_steps_of_torch():
    """Every row is where torch.optim.LBFGS brings it in as many iterations."""
    problem = Quadratic(3, 8, 1.0)
    rates = torch.tensor([[1.0], [0.5], [0.1]], dtype=torch.float64)
    lbfgs(problem, rates)
    for k in range(3):
        w = nn.Parameter(torch.zeros(8, dtype=torch.float64))
        optimizer = torch.optim.LBFGS(
            [w], float(rates[k]), ITERATIONS, tolerance_grad=0.0, tolerance_change=0.0
        )

        def closure(w=w, optimizer=optimizer, k=k):
            optimizer.zero_grad()
            loss = w @ problem.matrix[k] @ w / 2 - problem.constant[k] @ w
            loss.backward()
            return loss

        optimizer.step(closure)
        torch.testing.assert_close(problem.parameters[k], w.data, rtol=1e-9, atol=1e-9)


def test_conjugate_gradient_solves_a_quadratic():
    """It needs about as many steps as there are parameters, whatever the first length is."""
    for length in (1e-3, 1.0):
        problem = Quadratic(3, 6, 1.0)
        for _ in range(2):
            conjugate_gradient(problem, length * RATES)
        torch.testing.assert_close(problem.parameters, problem.solution, rtol=1e-4, atol=1e-4)


def test_hessian_free_makes_the_damped_step():
    """From zero its direction is (A + 1 / rate)^-1 b; with little damping that is the solution."""
    damped, free = Quadratic(3, 8, 1.0), Quadratic(3, 8, 1.0)
    hessian_free(free, 1e9 * RATES)
    torch.testing.assert_close(free.parameters, free.solution, rtol=1e-6, atol=1e-6)
    hessian_free(damped, RATES)
    identity = torch.eye(8, dtype=torch.float64)
    direction = torch.linalg.solve(damped.matrix + identity, damped.constant)
    cosine = torch.cosine_similarity(damped.parameters, direction, dim=1)
    torch.testing.assert_close(cosine, torch.ones(3, dtype=torch.float64), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("updater", WHOLE.values(), ids=WHOLE)
def test_a_row_that_is_done_stays(updater):
    """At the solution nothing moves, nor does a row whose gradient is not a number spread."""
    problem = Quadratic(3, 4, 0.5)
    problem.parameters.copy_(problem.solution)
    problem.parameters[2] = torch.nan
    updater(problem, RATES)
    torch.testing.assert_close(problem.parameters[:2], problem.solution[:2], rtol=1e-9, atol=1e-9)
    assert problem.parameters[2].isnan().all()
