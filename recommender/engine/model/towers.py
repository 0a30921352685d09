"""The model: a user tower and an item tower that meet in one dot product. Read it from top to bottom.

A user's vector and an item's vector have three parts each, and their dot product adds up three scores:

    history     the purchases, summed in one vector: the votes of the linear path (linear.py), a recent purchase's
                louder; a GRU over the bought items' own vectors (as in GRU4Rec, Hidasi et al. 2016, with the item
                embeddings shared between input and output); the profile, where there is a history to adjust. It meets
                the item's vector in a plain dot product, or in a cosine with a learned temperature
    profile     a sum over the profile's fields of low-rank log ratios (profile.py), fading as the history grows
    popularity  for a newcomer, the log share of purchases as it was counted. Beside a history, the item's bias, which
                starts there and is trained, times a weight chosen on validation

The weights of popularity and of the history (ListWeights) are one thing beside a history of a few purchases and another
beside a long one.

A second, small pair of vectors predicts ratings, rating = 5 sigmoid(dot): the user's is a small ridge regression of
their own ratings on the vectors of what they rated (rating.py), solved in numpy for each request (rater.py), so
that a new rating counts at once. The towers only keep its numbers, so that all weights lie in one file.

Nothing in the user tower belongs to one user: whoever has a profile or a purchase has a vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recommender.engine.bundle.rater import Rater
from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.inputs import GAP_BUCKETS, RATING_BUCKETS
from recommender.engine.data.numbers import FIRST
from recommender.engine.data.splits import TRAIN
from recommender.engine.model.linear import LinearPath
from recommender.engine.model.profile import ProfilePath
from recommender.engine.model.rating import RatingPath

SHORT, LONG = 5, 20  # purchases: a history is short up to the one and long from the other on, by degrees in between
BEST_SELLING = 0.1  # share of all items; new ones are placed below it
SECOND = 0.01  # log share by which a new item stands behind a sold one of the same place
HALF_A_BUYER = math.log(3)  # log share from one buyer down to half of one, as `linear_path.log_share` counts
HISTORY_BY_CONTENT = 0.5  # how far the history moves a new item that is placed by content
COLD_SWEEPS = 5  # over the features: fields that say the same share it


@dataclass(frozen=True)
class ListWeights:
    """Weights in lists: of popularity and of the history beside long and beside short histories, and of the votes
    within a short one. Chosen in choosing.py; all 1 while training."""

    popularity: float = 1.0
    history: float = 1.0
    popularity_short: float = 1.0
    history_short: float = 1.0
    votes_short: float = 1.0


@dataclass(frozen=True)
class TowerSizes:
    """What of the data decides the shapes: items, the width in which histories meet them, ids of each item feature and
    profile field, numbers, the width of what items say beside categories, any ratings."""

    items: int
    width: int
    item_features: tuple[int, ...]
    profile_fields: tuple[int, ...]
    profile_numbers: int
    rated: bool
    item_content: int = 0

    @classmethod
    def of(cls, data: TwoTowerDataset, width: int) -> TowerSizes:
        return cls(
            items=data.n_items,
            width=width,
            item_features=data.encoders.item_sizes,
            profile_fields=data.encoders.field_sizes,
            profile_numbers=data.profile_numbers.shape[1],
            rated=bool(np.isfinite(data.rating[data.role == TRAIN]).any()),
            item_content=data.item_content.shape[1],
        )


class FieldTables(nn.ModuleList):
    """A table of vectors for each field, by the field's ids; `padding_idx` stays as it starts, without gradient."""

    def __init__(self, sizes: Sequence[int], dim: int, padding_idx: int | None = None):
        super().__init__(nn.Embedding(n, dim, padding_idx=padding_idx) for n in sizes)
        self.dim = dim

    def __iter__(self) -> Iterator[nn.Embedding]:
        return super().__iter__()  # type: ignore[return-value]

    def forward(self, ids: Tensor) -> Tensor:
        """The sum of what the fields hold. ids int64 [B, F] -> [B, dim]"""
        total = torch.zeros(ids.shape[0], self.dim, device=ids.device)
        for f, table in enumerate(self):
            total = total + table(ids[:, f])
        return total


class ItemTower(nn.Module):
    """Item row, feature ids and content to the item's vectors. Row -1 is an item never seen: features and content place
    it.

    Tables of `cold` values stand in for what only a known item has: its bias, its place in the profile path, its rating
    vector and its votes in a history. They, and what `content` adds to them and to what histories meet, are set once,
    after training, by `learn_cold`: no known item moves by its content.
    """

    def __init__(self, sizes: TowerSizes, config: TrainConfig):
        super().__init__()
        self.normalised = config.interaction == "cosine"
        self.id = nn.Embedding(sizes.items + 1, sizes.width)  # the last row, all zero, is the unknown item
        self.trace = nn.Embedding(sizes.items + 1, sizes.width)
        self.features = FieldTables(sizes.item_features, sizes.width, padding_idx=0)
        self.bias = nn.Embedding(sizes.items + 1, 1)
        self.popular = nn.Embedding(sizes.items + 1, 1)
        self.profile = nn.Embedding(sizes.items + 1, config.profile_rank)
        self.rate_factors = nn.Embedding(sizes.items + 1, config.rating_dim)
        self.rate_bias = nn.Embedding(sizes.items + 1, 1)
        self.rate_trace = nn.Embedding(sizes.items + 1, config.rating_dim + 1)
        self.sizes = [1, 1, config.profile_rank, config.rating_dim, 1, config.rating_dim + 1, sizes.width]
        cold = sum(self.sizes)
        self.cold = FieldTables(sizes.item_features, cold)
        shape = (sizes.item_content, sizes.width + cold)
        said = bool(sizes.item_content)
        self.content = nn.Parameter(torch.zeros(shape), requires_grad=False) if said else None
        # Finite: infinity is not a number any more in the exported tower.
        self.cold_most = nn.Parameter(torch.full((2,), 1e9), requires_grad=False) if said else None
        self.cold_default = nn.Parameter(torch.zeros(cold), requires_grad=False)
        self.cold_history = nn.Parameter(torch.tensor(1.0), requires_grad=False)  # likewise
        for table in (self.id, *self.features):
            nn.init.normal_(table.weight, std=sizes.width**-0.5)
        closed_forms = (self.popular, self.profile, self.rate_factors, self.rate_bias, self.rate_trace, *self.cold)
        for table in (self.trace, self.bias, *closed_forms):
            nn.init.zeros_(table.weight)
        with torch.no_grad():
            self.id.weight[-1] = 0
            for table in self.features:
                table.weight[0] = 0
        for table in closed_forms:  # they stay: trained on, the profile's fell below popularity
            table.weight.requires_grad_(False)

    def sequence(self, row: Tensor, features: Tensor, known: Tensor, content: Tensor | None = None) -> Tensor:
        """[..., width] the part that the history is made of and meets. known [...]: 0 hides the id (id dropout).
        content [..., width]: what stands in for the id there."""
        vector = self.id(row) * known[..., None]
        if content is not None:
            vector = vector + content * (1 - known[..., None])
        for f, table in enumerate(self.features):
            vector = vector + table(features[..., f])
        return F.normalize(vector, dim=-1) if self.normalised else vector

    @torch.no_grad()
    def linear(self, features: Tensor) -> dict[str, Tensor]:
        """float32 [items, width] of every known item: `items`, what histories meet of it, and `history`, what it is in
        one. features int64 [items, F]
        """
        features = features.to(self.id.weight.device)
        known = [table(features[:, f]) for f, table in enumerate(self.features)]
        items = sum(known, self.id.weight[:-1].clone())
        return {"items": items.cpu(), "history": self.trace.weight[:-1].cpu().clone()}

    def forward(self, row: Tensor, features: Tensor, content: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """row int64 [B] (-1: unknown), features int64 [B, F], content float32 [B, C], which only unknown ones need
        -> rank [B, width + profile_rank + 2], rate [B, 2 rating_dim + 3], trace [B, width]
        """
        known = (row >= 0).to(self.id.weight.dtype)  # [B]
        row = torch.where(row >= 0, row, torch.full_like(row, self.id.num_embeddings - 1))
        weight = torch.where(known > 0, torch.ones_like(known), self.cold_history)
        by_content = None if content is None or self.content is None else content @ self.content
        width = self.id.embedding_dim
        placed = None if by_content is None else by_content[:, :width]
        sequence = self.sequence(row, features, known, placed) * weight[:, None]
        cold = self._cold(features, None if by_content is None else by_content[:, width:])
        own = [table(row) for table in self._own()]
        bias, popular, profile, factors, rate_bias, rate_trace, trace = (
            torch.cat(own, -1).lerp(cold, 1 - known[:, None]).split(self.sizes, -1)
        )
        rank = torch.cat([sequence, profile, popular, bias], -1)
        return rank, torch.cat([factors, torch.ones_like(bias), rate_bias, rate_trace], -1), trace

    def _own(self) -> list[nn.Embedding]:
        """The tables of what only a known item has."""
        return [self.bias, self.popular, self.profile, self.rate_factors, self.rate_bias, self.rate_trace, self.trace]

    def _cold(self, features: Tensor, by_content: Tensor | None = None) -> Tensor:
        """[B, cold]: what known items have, as far as features tell; of a value never seen they tell nothing."""
        total = self.cold_default + torch.zeros(features.shape[0], 1, device=features.device)
        for f, table in enumerate(self.cold):
            total = total + table(features[:, f])
        if by_content is None or self.cold_most is None:
            return total
        total = total + by_content
        return torch.cat([torch.minimum(total[:, :2], self.cold_most), total[:, 2:]], -1)

    @torch.no_grad()
    def learn_cold(
        self,
        features: Tensor,
        bought: Tensor,
        history_weight: float,
        content: Tensor | None = None,
        regress: Callable[..., Tensor] | None = None,
    ) -> None:
        """Fill the cold tables from the items bought at least once, and place those never bought by them, as if they
        were listed tomorrow. bought bool [items], features int64 [items, F]. history_weight : how far the history moves
        a new item. content float32 [items, C], where items have any; regress : values of the bought items [sold, d]
        (and what they meet, [sold, d]) -> what their content says of them, [C, d].

        What an item has is its default plus a part for each feature value: a ridge regression, by backfitting; what
        that leaves, and what of its vector is not its features', is regressed on the content. The mean would be too low
        for a new item's bias and popularity: most listed products sell little, and an item placed there is never shown
        and so never learned. A new item is placed below the best-selling tenth of all listed items, the unsold among
        them, as far as its features let expect, and never above them by its content. Where less than a tenth of the
        items sold, or nothing tells how well, all new items are placed alike, below the least sold.
        """
        own = torch.cat([t.weight[:-1] for t in self._own()], -1)[bought]  # [sold, cold]
        if not len(own):
            return
        self.cold_default.copy_(own.mean(0))
        rest, values = own - self.cold_default, features[bought]
        for table in self.cold:
            table.weight.zero_()
        for _ in range(COLD_SWEEPS):
            for f, table in enumerate(self.cold):
                rest += table.weight[values[:, f]]
                table.weight.copy_(means_by_value(rest, values[:, f], table.num_embeddings))
                rest -= table.weight[values[:, f]]
        if self.content is not None and content is not None and regress is not None:
            vectors, traces = (table.weight[:-1][bought] for table in (self.id, self.trace))
            *others, votes = rest.split(self.sizes, -1)
            by_content = [regress(vectors, traces), *map(regress, others), regress(votes, vectors)]
            self.content.copy_(torch.cat(by_content, -1))
            if by_content[0].any():
                history_weight = HISTORY_BY_CONTENT
            rest = rest - (content[bought] @ self.content)[:, self.id.embedding_dim :]
        below = 1 - BEST_SELLING * len(bought) / len(own)  # share of the sold items that sell less
        said = self.content is not None and bool(self.content[:, self.id.embedding_dim :][:, :2].any())
        if (features.shape[1] or said) and below > 0:
            self.cold_default[:2] += torch.quantile(rest[:, :2], below, dim=0) - SECOND
            if self.cold_most is not None:  # content tells some that they sell better than nearly all
                self.cold_most.copy_(torch.quantile(own[:, :2], below, dim=0) - SECOND)
        else:
            self.cold_default[:2] = own[:, :2].amin(0) - HALF_A_BUYER
            for table in self.cold:
                table.weight[:, :2] = 0
            if self.content is not None:
                self.content[:, self.id.embedding_dim :][:, :2] = 0
        if not self.normalised:
            self.cold_history.fill_(history_weight)
        known = sum((t(features[~bought, f]) for f, t in enumerate(self.features)), torch.zeros(()))
        vectors, placed = (self.cold_history - 1) * known, None
        if self.content is not None and content is not None:
            by_vector, placed = (content[~bought] @ self.content).split([self.id.embedding_dim, sum(self.sizes)], -1)
            vectors = vectors + self.cold_history * by_vector
        self.id.weight[:-1][~bought] = vectors
        cold = self._cold(features[~bought], placed)
        for table, values in zip(self._own(), cold.split(self.sizes, -1), strict=True):
            table.weight[:-1][~bought] = values


def means_by_value(vectors: Tensor, ids: Tensor, values: int, shrinkage: float = 5.0) -> Tensor:
    """[values, dim]: the mean of the vectors [n, dim] of each feature value, drawn to 0 where it has few; nothing for
    missing and unknown values. ids int64 [n]"""
    total = torch.zeros(values, vectors.shape[1], device=vectors.device).index_add_(0, ids, vectors)
    total[:FIRST] = 0
    return total / (torch.bincount(ids, minlength=values)[:, None] + shrinkage)


class Dropout(nn.Module):
    """nn.Dropout with a byte of chance for each value instead of a number: on a CPU it takes a fifth of the time."""

    def __init__(self, share: float):
        super().__init__()
        self.dropped = round(256 * share)  # of 256

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or self.dropped == 0:
            return values
        n = values.numel()
        chance = torch.empty(-(-n // 8), dtype=torch.int64, device=values.device).random_(-(2**63), None)
        kept = (chance.view(torch.uint8)[:n] >= self.dropped).view(values.shape)
        return values * kept.to(values.dtype).mul_(256 / (256 - self.dropped))


class UserTower(nn.Module):
    """Profile and history to a user's vectors. History comes as the item tower's vectors: any item can be in it."""

    def __init__(self, sizes: TowerSizes, config: TrainConfig):
        super().__init__()
        self.normalised, self.rated = config.interaction == "cosine", sizes.rated
        dim, width = config.dim, sizes.width
        self.rating = nn.Embedding(RATING_BUCKETS, width)
        self.gap = nn.Embedding(GAP_BUCKETS, width)
        self.gru = nn.GRU(width, dim, batch_first=True)
        self.head = nn.Linear(dim, width)
        self.recency = nn.Parameter(torch.tensor(0.5))
        self.vote_scale = nn.Parameter(torch.tensor(1.0))
        self.fields = FieldTables(sizes.profile_fields, dim, padding_idx=0)
        self.numbers = nn.Linear(sizes.profile_numbers, dim, bias=False) if sizes.profile_numbers else None
        self.profile_head = nn.Linear(dim, width)
        self.profile = FieldTables(sizes.profile_fields, config.profile_rank)
        self.fade = nn.Parameter(torch.tensor([1.0, -1.0]))
        self.log_temperature = nn.Parameter(torch.tensor(math.log(12.0 if self.normalised else 1.0)))
        # ListWeights, beside a short history and beside a long one: 1 while training, set on validation afterwards.
        self.history_weight = nn.Parameter(torch.ones(2), requires_grad=False)
        self.popularity_weight = nn.Parameter(torch.ones(2), requires_grad=False)
        self.vote_weight_short = nn.Parameter(torch.ones(1), requires_grad=False)
        self.dropout = Dropout(config.dropout)
        self.rate_profile = FieldTables(sizes.profile_fields, config.rating_dim + 1)
        self.rate_precision = nn.Parameter(torch.ones(config.rating_dim + 1), requires_grad=False)
        for table in (self.rating, self.gap, *self.fields):
            nn.init.normal_(table.weight, std=0.1 * table.embedding_dim**-0.5)
        for table in (*self.profile, *self.rate_profile):
            nn.init.zeros_(table.weight)
            table.weight.requires_grad_(False)
        nn.init.zeros_(self.profile_head.weight)
        nn.init.zeros_(self.profile_head.bias)
        nn.init.zeros_(self.head.weight)  # training starts from the linear path alone
        nn.init.zeros_(self.head.bias)

    def states(self, history: Tensor, rating: Tensor, gap: Tensor, before: Tensor | None = None) -> Tensor:
        """What is known after each purchase. history [B, L, width], rating and gap int64 [B, L] -> [B, L, dim]

        before : [B, dim], what was known before the first of them, where that is not nothing.
        """
        events = history + self.rating(rating) + self.gap(gap)  # [B, L, width]
        return self.gru(self.dropout(events * self.head.out_features**0.5), None if before is None else before[None])[0]

    def votes(self, trace: Tensor, moment: Tensor) -> Tensor:
        """The votes of all purchases up to each one. trace [B, L, width], moment int64 [B, L] -> [B, L, width]"""
        return self._weight((1 + moment[:, :, None] - moment[:, None]).tril()) @ trace

    def last_votes(self, trace: Tensor, moment: Tensor, length: Tensor) -> Tensor:
        """The same after the last purchase alone. length int64 [B] -> [B, width]"""
        last = moment.gather(1, (length - 1).clamp(min=0)[:, None])  # [B, 1]
        read = torch.arange(trace.shape[1], device=trace.device) < length[:, None]  # [B, L]
        return (self._weight((1 + last - moment) * read)[:, None] @ trace)[:, 0]

    def _weight(self, age: Tensor) -> Tensor:
        """The weight of a purchase. age : 1 at the latest moment, 2 at the one before; 0: later, or padding."""
        age = age.to(self.recency.dtype)
        return age.clamp(0, 1) * torch.exp(-self.recency * torch.log(age.clamp(min=1)))

    def query(self, state: Tensor, votes: Tensor, known: Tensor, ids: Tensor, numbers: Tensor) -> Tensor:
        """The ranking vector. state [P, dim], votes [P, width], known [P] purchases known, ids [P, F],
        numbers [P, N] -> [P, width + profile_rank + 2]
        """
        known = known.to(state.dtype)[:, None]
        profile = self.fields(ids)
        if self.numbers is not None:
            profile = profile + self.numbers(numbers)
        adjusted = self.head(self.dropout(state)) + self.profile_head(torch.relu(self.dropout(profile)))
        bought, length = (known > 0).to(state.dtype), torch.log(known.clamp(min=1))  # [P, 1]
        newcomer = 1 - bought
        long = ((length - math.log(SHORT)) / math.log(LONG / SHORT)).clamp(0, 1)
        vote_weight = self.vote_weight_short + (1 - self.vote_weight_short) * long
        sequence = self.vote_scale * vote_weight * votes + adjusted
        if self.normalised:
            sequence = F.normalize(sequence, dim=-1)
        history, popularity = (w[0] + (w[1] - w[0]) * long for w in (self.history_weight, self.popularity_weight))
        sequence = sequence * (self.log_temperature.exp() * history * bought)  # no history: no say
        # What the profile says by itself is whole for a newcomer, and fades as log purchases grow.
        fade = newcomer + bought * torch.sigmoid(self.fade[0] + self.fade[1] * length)
        return torch.cat([sequence, self.profile(ids) * fade, newcomer, popularity * bought], -1)

    @torch.no_grad()
    def set_list_weights(self, weights: ListWeights) -> None:
        self.history_weight.copy_(torch.tensor([weights.history_short, weights.history]))
        self.popularity_weight.copy_(torch.tensor([weights.popularity_short, weights.popularity]))
        self.vote_weight_short.fill_(weights.votes_short)

    def answer(
        self, state: Tensor, trace: Tensor, moment: Tensor, length: Tensor, known: Tensor, ids: Tensor, numbers: Tensor
    ) -> Tensor:
        """The ranking vector of everybody, whose `state` is that after the last purchase; the rest as for `forward`."""
        read = length > 0
        state, known = state * read[:, None], known * read
        return self.query(state, self.last_votes(trace, moment, length), known, ids, numbers)

    def forward(
        self, history: Tensor, trace: Tensor, bucket: Tensor, gap: Tensor, moment: Tensor, length: Tensor,
        known: Tensor, ids: Tensor, numbers: Tensor,
    ) -> Tensor:  # fmt: skip
        """One ranking vector a user. Histories are right-padded to L >= 1; length [B] may be 0.

        Of the latest purchases: history and trace [B, L, width]; bucket, gap and moment int64 [B, L]; length int64 [B].
        known float [B] purchases in all, ids int64 [B, F], numbers [B, N] -> [B, width + profile_rank + 2]

        Served, it is two graphs, `states` and `answer`, so that a user with and without some of their purchases shares
        the states before the first that is missing.
        """
        states = self.states(history, bucket, gap)
        last = (length - 1).clamp(min=0)[:, None, None].expand(-1, 1, states.shape[-1])
        return self.answer(states.gather(1, last)[:, 0], trace, moment, length, known, ids, numbers)

    def rater(self) -> Rater:
        """How a user's rating vector is solved, by the numbers that are kept here."""
        tables = [table.weight.detach().cpu().numpy() for table in self.rate_profile]
        precision = self.rate_precision.detach().cpu().numpy()
        return Rater.of(precision if self.rated else precision[:0], tables)


class TwoTowerHybrid(nn.Module):
    """Both towers. score(user, item) = user rank vector . item rank vector; rating = 5 sigmoid(rate . rate)."""

    def __init__(self, sizes: TowerSizes, config: TrainConfig):
        super().__init__()
        self.sizes, self.config = sizes, config
        self.items = ItemTower(sizes, config)
        self.users = UserTower(sizes, config)

    @property
    def reads(self) -> int:
        """Purchases of a person that a user tower of this shape reads, the latest ones."""
        return max(self.config.max_history, self.config.max_ratings if self.sizes.rated else 0)

    @torch.no_grad()
    def start_from(self, linear: LinearPath, profile: ProfilePath, features: Tensor) -> None:
        """Stand at the closed forms, from which training starts. features int64 [items, F]"""
        items, users = self.items, self.users
        rest, features = torch.from_numpy(linear.items).clone(), features.cpu()
        for f, table in enumerate(items.features):  # an item is what its features say, and its own rest
            table.weight.copy_(means_by_value(rest, features[:, f], table.num_embeddings))
            rest -= table.weight.cpu()[features[:, f]]
        items.id.weight[:-1] = rest
        items.trace.weight[:-1] = torch.from_numpy(linear.history)
        for table in (items.bias, items.popular):
            table.weight[:-1, 0] = torch.from_numpy(linear.popular)
        users.recency.fill_(linear.settings.recency)
        users.vote_scale.fill_(linear.scale)
        items.profile.weight[:-1] = torch.from_numpy(profile.items)
        for table, values in zip(users.profile, profile.users, strict=True):
            table.weight.copy_(torch.from_numpy(values))

    @torch.no_grad()
    def rate_by(self, path: RatingPath) -> None:
        """Predict ratings by this closed form."""
        items, users = self.items, self.users
        items.rate_factors.weight[:-1] = torch.from_numpy(path.factors[:, :-1])
        items.rate_bias.weight[:-1, 0] = torch.from_numpy(path.bias)
        items.rate_trace.weight[:-1] = torch.from_numpy(path.traces)
        users.rate_precision.copy_(torch.from_numpy(path.precision))
        for table, values in zip(users.rate_profile, path.profile, strict=True):
            table.weight.copy_(torch.from_numpy(values))

    @torch.no_grad()
    def item_vectors(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The vectors of every known item. features int64 [items, F] -> rank, rate, trace"""
        rows = torch.arange(self.sizes.items, device=features.device)
        parts = [self.items(r, f) for r, f in zip(rows.split(65536), features.split(65536), strict=True)]
        rank, rate, trace = (torch.cat(part) for part in zip(*parts, strict=True))
        return rank, rate, trace
