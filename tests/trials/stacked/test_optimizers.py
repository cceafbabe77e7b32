"""Optimizers of stacked rows, each with its own figures, against torch.optim."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from search_spaces.deep_networks import CHOICES
from trials.stacked.optimizers import FAMILIES, Rule, Updates

RULES = [
    Rule("sgd", 0.1),
    Rule("sgd", 0.05, momentum=0.9),
    Rule("sgd", 0.05, momentum=0.6, nesterov=True),
    Rule("adagrad", 0.1, epsilon=1e-10),
    Rule("adagrad", 0.02),
    Rule("rmsprop", 0.01, rho=0.99),
    Rule("rmsprop", 0.003, rho=0.5, momentum=0.8, epsilon=1e-3),
    Rule("adam", 0.01),
    Rule("adam", 0.02, beta1=0.5, beta2=0.9, epsilon=1e-3),
    Rule("adam", 0.02, beta1=0.0, beta2=0.0),
    Rule("adamw", 0.01),
    Rule("adamw", 0.03, decay=0.2, beta1=0.7),
    Rule("adadelta", 1.0, epsilon=1e-6),
    Rule("adadelta", 0.3, rho=0.5),
]


class Stack:
    """Rows with random starts and gradients; row k has those of the seed `seeds[k]`."""

    def __init__(self, rules, n_columns, n_weights, seeds=None, dtype=torch.float64):
        seeds = range(len(rules)) if seeds is None else seeds
        order = sorted(range(len(rules)), key=lambda k: rules[k].rank)
        self.rules = [rules[k] for k in order]
        self.streams = [torch.Generator().manual_seed(seeds[k]) for k in order]
        self.seeds = [seeds[k] for k in order]
        self.n_weights, self.n_steps = n_weights, 0
        self.dtype, self.shape = dtype, (len(rules), n_columns)
        self.parameters = self.draw()
        self.first, self.second = torch.zeros(2, *self.shape, dtype=dtype).unbind(0)
        self.rebuild()

    def draw(self):
        """Numbers from each row's own stream."""
        rows = [
            torch.randn(self.shape[1], generator=rng, dtype=torch.float64) for rng in self.streams
        ]
        return torch.stack(rows).to(self.dtype)

    def rebuild(self):
        """New optimizers on the states as they are."""
        self.gradient, scratch = torch.full((2, *self.shape), torch.nan, dtype=self.dtype).unbind(0)
        states = (self.parameters, self.gradient, self.first, self.second, scratch)
        self.updates = Updates(self.rules, *states, n_weights=self.n_weights)

    def epoch(self, n_steps, factor):
        """Trains; returns the gradients."""
        n_rows = len(self.rules)
        self.updates.begin([factor] * n_rows, [self.n_steps] * n_rows, n_steps)
        gradients = []
        for step in range(n_steps):
            gradients.append(self.draw())
            self.gradient.copy_(gradients[-1])
            self.updates.step(step)
        self.n_steps += n_steps
        return gradients


def torch_optimizer(rule, weight, bias):
    """The same rule as torch has it; only weights decay."""
    groups = [{"params": [weight], "weight_decay": rule.decay}, {"params": [bias]}]
    rate, betas = rule.learning_rate, (rule.beta1, rule.beta2)
    match rule.optimizer:
        case "sgd":
            nesterov = rule.nesterov and rule.momentum > 0
            for group in groups:
                group["weight_decay"] = 0.0
            return torch.optim.SGD(groups, rate, rule.momentum, nesterov=nesterov)
        case "adagrad":
            return torch.optim.Adagrad([weight, bias], rate, eps=rule.epsilon)
        case "rmsprop":
            return torch.optim.RMSprop(
                [weight, bias], rate, rule.rho, rule.epsilon, momentum=rule.momentum
            )
        case "adam":
            return torch.optim.Adam([weight, bias], rate, betas, rule.epsilon)
        case "adamw":
            return torch.optim.AdamW(groups, rate, betas, rule.epsilon, weight_decay=0.0)
        case "adadelta":
            return torch.optim.Adadelta([weight, bias], rate, rule.rho, rule.epsilon)
    raise AssertionError(rule.optimizer)


def assert_equal_to_torch(rules, n_columns, n_weights, epochs):
    """Rows of a stack end where torch optimizers end; `epochs` are (steps, factor of the rate)."""
    stack = Stack(rules, n_columns, n_weights)
    starts = stack.parameters.split([n_weights, n_columns - n_weights], 1)
    pairs = [[part[k].clone().requires_grad_() for part in starts] for k in range(len(rules))]
    ours = [stack.epoch(*epoch) for epoch in epochs]
    for k, (rule, pair) in enumerate(zip(stack.rules, pairs, strict=True)):
        optimizer = torch_optimizer(rule, *pair)
        for (_, factor), gradients in zip(epochs, ours, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rule.learning_rate * factor
            for gradient in gradients:
                weights, biases = gradient[k].split([n_weights, n_columns - n_weights])
                pair[0].grad = weights + rule.l1 * pair[0].detach().sign()
                pair[1].grad = biases
                optimizer.step()
        expected = torch.cat(pair).detach()
        torch.testing.assert_close(stack.parameters[k], expected, rtol=1e-12, atol=1e-12)


def test_names_are_those_of_the_space():
    """Every family is a word that spaces know."""
    assert set(FAMILIES) <= set(CHOICES["optimizer"])
    assert {rule.optimizer for rule in RULES} == set(FAMILIES)


@pytest.mark.parametrize("rule", RULES)
def test_a_row_alone_follows_torch(rule):
    """One rule ends where torch ends after 20 steps at three rates of a schedule."""
    assert_equal_to_torch([rule], 7, 5, [(10, 1.0), (6, 0.1), (4, 0.55)])


figure = st.floats(0.0, 0.95)
any_rule = st.builds(
    Rule,
    st.sampled_from(list(FAMILIES)),
    st.floats(1e-4, 0.5),
    momentum=st.just(0.0) | figure,
    nesterov=st.booleans(),
    beta1=figure,
    beta2=figure,
    rho=figure,
    epsilon=st.sampled_from([1e-4, 1e-6]),
    decay=st.just(0.0) | st.floats(0.0, 0.5),
    l1=st.sampled_from([0.0, 0.01, 0.3]),
)


def without_decay(rule):
    """The rule; only AdamW's decay is kept, for the others have none here."""
    return rule if rule.optimizer == "adamw" else dataclasses.replace(rule, decay=0.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(any_rule.map(without_decay), min_size=1, max_size=8))
def test_mixed_rows_follow_torch(rules):
    """Any mix of rules in one stack ends where torch ends, over 20 steps of two epochs."""
    assert_equal_to_torch(rules, 6, 4, [(12, 1.0), (8, 0.3)])


@pytest.mark.parametrize(("n_columns", "n_weights"), [(20_000, 18_000), (140_000, 100_000)])
def test_large_rows_follow_torch(n_columns, n_weights):
    """Rows that are moved piece by piece, by rows or by columns, end where torch ends."""
    assert_equal_to_torch(RULES, n_columns, n_weights, [(3, 1.0)])


def test_long_epochs_follow_torch():
    """Bias corrections are right to the last of 150 steps."""
    assert_equal_to_torch([RULES[7], RULES[11]], 3, 2, [(150, 1.0)])


@pytest.mark.parametrize("n_columns", [64, 12_800])
def test_bits_do_not_depend_on_neighbours(n_columns):
    """A float32 row has the same parameters and states alone and anywhere among others."""
    rules = [dataclasses.replace(r, learning_rate=r.learning_rate / 2) for r in RULES] + RULES
    together = Stack(rules, n_columns, n_columns // 2, dtype=torch.float32)
    together.epoch(5, 0.7)
    for k in range(0, len(rules), 3 if n_columns > 64 else 1):
        rule, seed = together.rules[k], together.seeds[k]
        alone = Stack([rule], n_columns, n_columns // 2, [seed], torch.float32)
        alone.epoch(5, 0.7)
        for name in ("parameters", "first", "second"):
            assert torch.equal(getattr(alone, name)[0], getattr(together, name)[k])


def test_states_carry_over_to_new_optimizers():
    """Optimizers that are built anew between two epochs go on bit for bit."""
    one, other = (Stack(RULES, 32, 16, dtype=torch.float32) for _ in range(2))
    for stack in (one, other):
        stack.epoch(4, 1.0)
        if stack is other:
            stack.rebuild()
        stack.epoch(4, 0.5)
    assert torch.equal(one.parameters, other.parameters)


@pytest.mark.parametrize("factor", [0.0, 1.0])
@pytest.mark.parametrize("epsilon", [1e-30, 1.0])
@pytest.mark.parametrize("rate", [1e-12, 1.0, 1e6])
def test_padding_stays_as_it_is(factor, epsilon, rate):
    """Where the gradient is zero, zeros stay zeros and the bias of a padded class stays put."""
    rules = sorted(
        (dataclasses.replace(r, epsilon=epsilon, learning_rate=rate) for r in RULES),
        key=lambda rule: rule.rank,
    )
    zeros = [torch.zeros(len(rules), 32) for _ in range(5)]
    zeros[0][:, 31] = -1e30
    before = zeros[0].clone()
    updates = Updates(rules, *zeros, n_weights=16)
    updates.begin([factor] * len(rules), [1000] * len(rules), 3)
    for step in range(3):
        updates.step(step)
    assert torch.equal(zeros[0], before)
    assert not zeros[2].any()
    assert not zeros[3].any()


def test_rate_of_nothing_moves_nothing():
    """A schedule's factor of 0 leaves every parameter where it was."""
    stack = Stack(RULES, 16, 8, dtype=torch.float32)
    before = stack.parameters.clone()
    stack.epoch(3, 0.0)
    assert torch.equal(stack.parameters, before)


class _Watch(TorchDispatchMode):
    """Notes operators that return anything but the tensors, or views of them, they were given."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.n_calls = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.n_calls += 1
        if any(result.alias_info is None for result in func._schema.returns):
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


def test_a_step_neither_allocates_nor_reads_numbers_back():
    """Every operator of a step writes into memory at hand, so that a GPU never waits."""
    stack = Stack(RULES, 32, 16)
    stack.updates.begin([1.0] * len(RULES), [0] * len(RULES), 100)
    stack.gradient.fill_(1.0)
    with _Watch() as watch:
        for step in range(100):
            stack.updates.step(step)
    assert watch.n_calls >= 100 * 20
    assert not watch.found
