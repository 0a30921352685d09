"""What a list is trained against."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def softmax_loss(query: Tensor, items: Tensor, target: Tensor, bought: Tensor) -> Tensor:
    """Mean cross entropy over every item not yet bought: those alone are ever listed.

    query [P, d], items [n, d], target int64 [P] rows of items, bought int64 [2, m] (row of query, ascending, and row of
    items) -> scalar
    """
    return _CrossEntropy.apply(query, items, target, bought)


class _CrossEntropy(torch.autograd.Function):
    """Scores, softmax and both gradients of a few rows at a time, in the cache: [P, n] is never written out."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, items: Tensor, target: Tensor, bought: Tensor) -> Tensor:
        device = query.device.type
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else query.dtype
        step = 256 if device == "cpu" else len(query)
        d_query, d_items = torch.empty_like(query), torch.zeros_like(items)
        bounds = torch.searchsorted(
            bought[0].contiguous(), torch.arange(0, len(query) + step, step, device=query.device)
        )
        total = query.new_zeros(())
        with torch.autocast(device, enabled=False):
            items = items.to(kind)
            for k, (rows, wanted) in enumerate(zip(query.to(kind).split(step), target.split(step), strict=True)):
                row, column = bought[:, bounds[k] : bounds[k + 1]]
                each = torch.arange(len(rows), device=query.device)
                scores = (rows @ items.T).float()
                scores[row - k * step, column] = float("-inf")
                scores -= scores.max(1, keepdim=True).values
                total -= scores[each, wanted].sum()
                mass = scores.exp_().sum(1, keepdim=True)
                total += mass.log().sum()
                scores /= mass * len(query)
                scores[each, wanted] -= 1 / len(query)
                slope = scores.to(kind)
                d_query[k * step : k * step + step] = slope @ items
                d_items += slope.T @ rows
        ctx.save_for_backward(d_query, d_items)
        return total / len(query)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, Tensor, None, None]:
        d_query, d_items = ctx.saved_tensors
        return d_query * upstream[0], d_items * upstream[0], None, None


def sampled_softmax_loss(
    query: Tensor, positive: Tensor, target: Tensor, negative: Tensor, sampled: Tensor, log_q: Tensor, bought: Tensor
) -> Tensor:
    """Cross entropy against items sampled for the whole batch, each score less log q (logQ correction; Yi et al.,
    RecSys 2019), so that popular items, which are drawn more often, are not pushed down more.

    query and positive [P, d], target int64 [P] item ids, negative [S, d], sampled int64 [S] item ids, ascending, each
    once, log_q [S] log of how likely each was to be among them, bought int64 [2, m] (row of query, item id) -> scalar.
    A sample that is the purchase itself, or was bought before, does not count against it.
    """
    own = (query * positive).sum(-1, keepdim=True)  # [P, 1]
    others = (query @ negative.T).float() - log_q  # [P, S]
    others = others.masked_fill(sampled[None, :] == target[:, None], float("-inf"))
    place = torch.searchsorted(sampled, bought[1]).clamp(max=len(sampled) - 1)
    here = sampled[place] == bought[1]
    others[bought[0][here], place[here]] = float("-inf")
    scores = torch.cat([own, others], -1)
    return F.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long, device=scores.device))


def without_known(others: Tensor, drawn: Tensor, target: Tensor, bought: Tensor) -> Tensor:
    """The scores of drawn items, -inf for those that are the purchase itself or were bought before: in BPR and BCE such
    a score adds neither loss nor gradient.

    others [P, K], drawn int64 [P, K] item ids, target int64 [P], bought int64 [2, m] (row of others, item id) -> [P, K]
    """
    row = torch.arange(len(target), device=target.device)
    known = torch.cat([bought, torch.stack([row, target])], 1)
    return others.masked_fill(torch.isin(row[:, None] << 32 | drawn, known[0] << 32 | known[1]), float("-inf"))


def bpr_loss(own: Tensor, others: Tensor) -> Tensor:
    """Bayesian personalised ranking (Rendle et al. 2009). own [P], others [P, K] scores of sampled items -> scalar"""
    return -F.logsigmoid(own[:, None] - others).mean()


def bce_loss(own: Tensor, others: Tensor) -> Tensor:
    """Binary cross entropy: a purchase is a yes, each of the K sampled items a no, at equal weight in all -> scalar"""
    return -(F.logsigmoid(own).mean() + F.logsigmoid(-others).mean())
