"""The softmax written out in pieces against the plain one."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recommender.engine.training.batches import NegativeSampler
from recommender.engine.training.losses import bce_loss, bpr_loss, sampled_softmax_loss, softmax_loss, without_known

PEOPLE, ITEMS, WIDTH = 700, 90, 8


def some_batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    query = torch.randn(PEOPLE, WIDTH, generator=draw, requires_grad=True)
    items = torch.randn(ITEMS, WIDTH, generator=draw, requires_grad=True)
    target = torch.randint(0, ITEMS, (PEOPLE,), generator=draw)
    row = torch.randint(0, PEOPLE, (3000,), generator=draw).sort().values
    column = torch.randint(0, ITEMS, (3000,), generator=draw)
    other = target[row] != column
    return query, items, target, torch.stack([row[other], column[other]])


def plain_loss(query: Tensor, items: Tensor, target: Tensor, bought: Tensor) -> Tensor:
    scores = query @ items.T
    return F.cross_entropy(scores.index_put((bought[0], bought[1]), torch.tensor(float("-inf"))), target)


def test_value_and_gradients_are_those_of_the_plain_cross_entropy_over_items_not_yet_bought() -> None:
    query, items, target, bought = some_batch()
    ours, plain = softmax_loss(query, items, target, bought), plain_loss(query, items, target, bought)
    torch.testing.assert_close(ours, plain)
    assert ours < plain_loss(query, items, target, bought[:, :0]) - 0.01  # what was bought is no rival
    for mine, expected in zip(
        torch.autograd.grad(3 * ours, (query, items)), torch.autograd.grad(3 * plain, (query, items)), strict=True
    ):
        torch.testing.assert_close(mine, expected)


def test_sampling_every_item_is_the_full_softmax() -> None:
    query, items, target, bought = some_batch()
    everything = torch.arange(ITEMS)
    sampled = sampled_softmax_loss(query, items[target], target, items, everything, torch.zeros(ITEMS), bought)
    torch.testing.assert_close(sampled, plain_loss(query, items, target, bought))


@pytest.mark.parametrize("loss", [bpr_loss, bce_loss])
def test_a_drawn_item_that_is_the_purchase_or_was_bought_before_does_not_count_against_it(
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    own = torch.tensor([1.0, -1.0], requires_grad=True)
    others = torch.tensor([[0.5, 2.0, -0.5], [0.5, 2.0, -0.5]], requires_grad=True)
    drawn, target, bought = torch.tensor([[7, 8, 9], [7, 8, 9]]), torch.tensor([7, 3]), torch.tensor([[1, 1], [5, 9]])
    value = loss(own, without_known(others, drawn, target, bought))
    (slope,) = torch.autograd.grad(value, others)
    assert value.isfinite()
    assert (slope > 0).tolist() == [[False, True, True], [True, True, False]]
    assert (slope[slope <= 0] == 0).all()


def test_inclusion_is_how_often_an_item_is_drawn() -> None:
    sampler = NegativeSampler.fit(np.array([1.0, 5.0, 50.0, 0.0]))
    rng = np.random.default_rng(0)
    drawn = np.zeros(4)
    for _ in range(4000):
        drawn[np.unique(sampler.draw(3, rng))] += 1
    np.testing.assert_allclose(drawn / 4000, sampler.inclusion(3), atol=0.03)
