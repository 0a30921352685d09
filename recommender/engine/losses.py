"""What a list is trained against."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def softmax_loss(query: Tensor, items: Tensor, target: Tensor) -> Tensor:
    """Mean cross entropy over every item. query [P, d], items [n, d], target int64 [P] rows of items -> scalar"""
    return F.cross_entropy((query @ items.T).float(), target)


def sampled_softmax_loss(
    query: Tensor, positive: Tensor, target: Tensor, negative: Tensor, sampled: Tensor, log_q: Tensor
) -> Tensor:
    """Cross entropy against items sampled for the whole batch, each score less log q (logQ correction; Yi et al.,
    RecSys 2019), so that popular items, which are drawn more often, are not pushed down more.

    query and positive [P, d], target int64 [P] item ids, negative [S, d], sampled int64 [S] item ids, log_q [S] log of
    the expected number of draws of each -> scalar. A sample that is the purchase itself does not count against it.
    """
    own = (query * positive).sum(-1, keepdim=True)  # [P, 1]
    others = (query @ negative.T).float() - log_q  # [P, S]
    others = others.masked_fill(sampled[None, :] == target[:, None], float("-inf"))
    scores = torch.cat([own, others], -1)
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))


def bpr_loss(own: Tensor, others: Tensor) -> Tensor:
    """Bayesian personalised ranking (Rendle et al. 2009). own [P], others [P, K] scores of sampled items -> scalar"""
    return -F.logsigmoid(own[:, None] - others).mean()


def bce_loss(own: Tensor, others: Tensor) -> Tensor:
    """Binary cross entropy: a purchase is a yes, each of the K sampled items a no, at equal weight in all -> scalar"""
    return -(F.logsigmoid(own).mean() + F.logsigmoid(-others).mean())
