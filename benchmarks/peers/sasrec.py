"""SASRec (Kang & McAuley, "Self-attentive sequential recommendation", ICDM 2018), with softmax cross-entropy.

As in the paper: learned positions counted from the end, causal attention blocks with layer norm before and a residual
after, item embeddings shared between input and output. The binary loss is replaced by cross-entropy over all items, or
over uniformly sampled ones in a wide catalog: what a strong SASRec needs, as later studies found (Klenitskiy & Vasilev,
RecSys 2023; Petrov & Macdonald, "gSASRec", RecSys 2023).

Written here because RecTools 0.19.0, whose SASRec is well kept, asks for numpy below 2 and the site runs on numpy 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers.histories import popular_for_newcomers
from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.splits import TRAIN, VALID
from recommender.engine.evaluation.metrics import rank_targets, user_metrics

MAX_EPOCHS, PATIENCE, EVERY = 200, 3, 5  # validation is asked every few epochs
BATCH, FULL_UP_TO, SAMPLED = 64, 12_000, 4096


class SASRec:
    def __init__(self, epochs: int | None = None, **settings: Any):
        self.epochs, self.settings = epochs, {"dim": 64, "blocks": 2, "dropout": 0.3, "length": 100, **settings}
        self.decided: dict[str, Any] = {"epochs": epochs, **self.settings}

    @staticmethod
    def grid(data: TwoTowerDataset) -> list[dict[str, Any]]:
        return [{"dim": d, "blocks": b, "dropout": p} for d in (64, 128) for b in (1, 2) for p in (0.2, 0.5)]

    def fit(self, data: TwoTowerDataset) -> None:
        """With no number of epochs given, the one that serves validation best is kept, and noted in `decided`."""
        torch.manual_seed(1)
        self.model = _Transformer(data.n_items, **self.settings)
        optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-3, betas=(0.9, 0.98))
        sequences = _sequences(data, self.settings["length"] + 1)
        cases = data.cases(VALID, 2000) if self.epochs is None else None
        best, since, kept = -1.0, 0, None
        for epoch in range(1, (self.epochs or MAX_EPOCHS) + 1):
            self.model.train()
            for rows in torch.randperm(len(sequences)).split(BATCH):
                optimiser.zero_grad(set_to_none=True)
                self.model.loss(sequences[rows]).backward()
                optimiser.step()
            if cases is None or epoch % EVERY:
                continue
            ndcg = float(user_metrics(rank_targets(self, data, cases))["ndcg_10"].mean()) if len(cases) else 0.0
            if ndcg > best:
                best, since = ndcg, 0
                kept = {name: value.clone() for name, value in self.model.state_dict().items()}
                self.decided["epochs"] = epoch
            else:
                since += 1
            if since == PATIENCE:
                break
        if kept is not None:
            self.model.load_state_dict(kept)

    @torch.no_grad()
    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        length = self.settings["length"]
        histories = np.zeros((len(cases), length), np.int64)
        for row, bought in enumerate(cases.bought(data)):
            latest = bought[-length:]
            histories[row, length - len(latest) :] = latest + 1
        state = self.model.eval()(torch.from_numpy(histories))[:, -1]
        return popular_for_newcomers((state @ self.model.item.weight[1:].T).numpy(), data, cases)


def _sequences(data: TwoTowerDataset, length: int) -> Tensor:
    """int64 [windows, length]: the TRAIN purchases of each person in stretches: item row + 1, 0 in front."""
    train = data.role == TRAIN
    made = []
    for items in np.split(data.item[train], np.flatnonzero(np.diff(data.user[train])) + 1):
        for stop in range(len(items), 1, -(length - 1)):
            part = items[max(stop - length, 0) : stop] + 1
            made.append(np.pad(part, (length - len(part), 0)))
    return torch.from_numpy(np.array(made, dtype=np.int64))


class _Transformer(nn.Module):
    def __init__(self, items: int, dim: int, blocks: int, dropout: float, length: int):
        super().__init__()
        self.item = nn.Embedding(items + 1, dim, padding_idx=0)
        self.position = nn.Embedding(length, dim)
        for table in (self.item, self.position):
            nn.init.normal_(table.weight, std=0.02)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(dim, 2, dim, dropout, batch_first=True, norm_first=True) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, items: Tensor) -> Tensor:
        """The state after each purchase: items int64 [B, L], 0 in front; float32 [B, L, dim]."""
        length = items.shape[1]
        places = torch.arange(self.position.num_embeddings - length, self.position.num_embeddings)
        x = self.dropout(self.item(items) * self.item.embedding_dim**0.5 + self.position(places))
        seen = torch.ones(length, length, dtype=torch.bool).tril() & (items != 0)[:, None, :]
        seen = seen | torch.eye(length, dtype=torch.bool)  # padding looks at itself: a row of nothing would be nan
        hidden = (~seen).repeat_interleave(2, 0)  # [B x heads, L, L]
        for block in self.blocks:
            x = block(x, src_mask=hidden)
        return self.norm(x)

    def loss(self, items: Tensor) -> Tensor:
        items = items[:, (items != 0).any(0)]
        target = items[:, 1:]
        state = self(items[:, :-1])[target != 0]
        weight, target = self.item.weight[1:], target[target != 0] - 1
        if len(weight) <= FULL_UP_TO:
            return functional.cross_entropy(state @ weight.T, target)
        drawn = torch.randint(len(weight), (SAMPLED,))
        own = (state * weight[target]).sum(-1, keepdim=True)
        others = state @ weight[drawn].T + np.log(len(weight) / SAMPLED)  # each stands for the many not drawn
        others = others.masked_fill(drawn == target[:, None], -torch.inf)
        return functional.cross_entropy(torch.cat([own, others], 1), torch.zeros_like(target))
