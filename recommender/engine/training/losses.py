"""What a list is trained against."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def softmax_loss(
    query: Tensor, own: Tensor, items: Tensor, target: Tensor, bought: Tensor, log_q: Tensor | None = None
) -> Tensor:
    """Mean cross entropy of purchases against every item not yet bought, for those alone are ever listed, or against a
    sample of them.

    query [P, d], own [P] scores of the purchases, items [n, d], target int64 [P] rows of items (-1: not among them),
    bought int64 [2, m] (row of query, ascending, and row of items), log_q [n] log of how likely each item was to be
    sampled -> scalar. A score less log q (logQ correction; Yi et al., RecSys 2019) keeps popular items, which are drawn
    more often, from being pushed down more.
    """
    return _CrossEntropy.apply(query, own, items, target, bought, log_q)


class _CrossEntropy(torch.autograd.Function):
    """Scores, softmax and both gradients of a few rows at a time, in the cache: [P, n] is never written out."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, own: Tensor, items: Tensor, target: Tensor, bought: Tensor, log_q: Tensor | None
    ) -> Tensor:
        device = query.device.type
        kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else query.dtype
        step = 256 if device == "cpu" else len(query)
        d_query, d_own, d_items = torch.empty_like(query), torch.empty_like(own), torch.zeros_like(items)
        bounds = torch.searchsorted(
            bought[0].contiguous(), torch.arange(0, len(query) + step, step, device=query.device)
        )
        total = own.new_zeros(())
        with torch.autocast(device, enabled=False):
            items = items.to(kind)
            for k, (rows, mine, wanted) in enumerate(
                zip(query.to(kind).split(step), own.split(step), target.split(step), strict=True)
            ):
                row, column = bought[:, bounds[k] : bounds[k + 1]]
                each = (wanted >= 0).nonzero()[:, 0]
                scores = (rows @ items.T).float()
                if log_q is not None:
                    scores -= log_q
                scores[row - k * step, column] = float("-inf")
                scores[each, wanted[each]] = float("-inf")  # what is bought is no rival of itself
                top = torch.maximum(scores.amax(1), mine)
                alone = (mine - top).exp()
                mass = scores.sub_(top[:, None]).exp_().sum(1) + alone
                total += (mass.log() + top - mine).sum()
                slope = scores.div_(mass[:, None] * len(query)).to(kind)
                d_query[k * step : k * step + step] = slope @ items
                d_own[k * step : k * step + step] = (alone / mass - 1) / len(query)
                d_items += slope.T @ rows
        ctx.save_for_backward(d_query, d_own, d_items)
        return total / len(query)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        return *(gradient * upstream[0] for gradient in ctx.saved_tensors), None, None, None


def places_among(items: Tensor, ids: Tensor) -> Tensor:
    """int64: the place of each id among `items`, ascending; -1 where it is not among them."""
    place = torch.searchsorted(items, ids).clamp(max=len(items) - 1)
    return torch.where(items[place] == ids, place, -1)


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
