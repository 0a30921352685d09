"""The softmax written out in pieces against the plain one."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recommender.engine.training.batches import NegativeSampler
from recommender.engine.training.losses import bce_loss, bpr_loss, places_among, softmax_loss, without_known

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


def own_scores(query: Tensor, items: Tensor, target: Tensor) -> Tensor:
    return (query * items[target]).sum(-1)


def test_value_and_gradients_are_those_of_the_plain_cross_entropy_over_items_not_yet_bought() -> None:
    query, items, target, bought = some_batch()
    ours = softmax_loss(query, own_scores(query, items, target), items, target, bought)
    plain = plain_loss(query, items, target, bought)
    torch.testing.assert_close(ours, plain)
    assert ours < plain_loss(query, items, target, bought[:, :0]) - 0.01  # what was bought is no rival
    for mine, expected in zip(
        torch.autograd.grad(3 * ours, (query, items)), torch.autograd.grad(3 * plain, (query, items)), strict=True
    ):
        torch.testing.assert_close(mine, expected)


def test_against_a_sample_value_and_gradients_are_those_of_the_plain_cross_entropy_with_logq() -> None:
    query, items, target, bought = some_batch()
    sampled, log_q = torch.arange(0, ITEMS, 3), torch.linspace(-2, 0, ITEMS // 3)
    column, wanted = places_among(sampled, bought[1]), places_among(sampled, target)
    assert (sampled[column[column >= 0]] == bought[1][column >= 0]).all()
    assert 0 < (wanted >= 0).sum() < PEOPLE, "some purchases were sampled, others not"
    rivals = torch.stack([bought[0], column])[:, column >= 0]
    own = own_scores(query, items, target)
    ours = softmax_loss(query, own, items[sampled], wanted, rivals, log_q)

    others = (query @ items[sampled].T - log_q).masked_fill(sampled == target[:, None], float("-inf"))
    others = others.index_put((rivals[0], rivals[1]), torch.tensor(float("-inf")))
    plain = F.cross_entropy(torch.cat([own[:, None], others], 1), torch.zeros(PEOPLE, dtype=torch.int64))
    torch.testing.assert_close(ours, plain)
    for mine, expected in zip(
        torch.autograd.grad(ours, (query, items), retain_graph=True),
        torch.autograd.grad(plain, (query, items)),
        strict=True,
    ):
        torch.testing.assert_close(mine, expected)


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
