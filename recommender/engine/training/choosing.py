"""What validation chooses, the candidates for each, and the one rule: the first candidate, unless another is better.

"Better" is a higher mean over the same users, by more than one standard error of the paired difference. So the first
candidate of each list is the default, which also serves where there is nobody to validate on. Two choices ask for more,
because newcomers have nothing but what they choose and chance chooses again at every training: the half-life of
popularity and whether profiles speak. docs/engine.md says what each candidate brought on which data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import TypeVar

import numpy as np
from scipy.special import logsumexp

from recommender.engine.bundle.rater import Rater
from recommender.engine.bundle.repeats import Repeats
from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.inputs import UserInputs, Vectors
from recommender.engine.data.splits import TRAIN, VALID, drawn
from recommender.engine.evaluation.metrics import (
    TOP,
    Scorer,
    VectorScorer,
    affordable,
    case_inputs,
    ndcg,
    parts_by_length,
    predict_held_out_ratings,
    rank_targets,
    ranks_of,
    scores_of,
    user_metrics,
)
from recommender.engine.evaluation.next_baskets import NextBaskets
from recommender.engine.evaluation.segments import MIN_PEOPLE
from recommender.engine.model.linear import (
    LinearPath,
    LinearSettings,
    bought_items,
    cut,
    discounted,
    is_exact,
    log_share,
    summed_votes,
    transitions,
    vote_solver,
)
from recommender.engine.model.profile import ProfileCounts, ProfilePath, learned_rows, newcomers
from recommender.engine.model.rating import RatingPath, fit_rating_paths
from recommender.engine.model.repeats import fit_repeats
from recommender.engine.model.towers import LONG, SHORT, ListWeights

# The linear path. Its widths are listed by `_widths`.
RIDGES = (300.0, 30.0, 100.0, 1000.0)
RECENCIES = (0.0, 0.5, 1.0, 1.5)
TRANSITIONS = (0.0, 0.25, 1.0, 4.0)
DISCOUNTS = (0.0, 0.2)
HALF_LIVES, HALF_LIFE_ERRORS = (0.0, 0.3, 0.1), 2.5
SHARES = (0.1, 0.02, 0.05, 0.2, 0.4)  # popularity beside the votes, in standard deviations of these
VOTE_SCALES = (1.0, 0.25, 0.5, 0.75, 1.25, 1.5, 2.0, 3.0, 4.0)  # standard deviations of the votes, by likelihood
BESIDE = (0.5, 0.0, 0.25, 0.75, 1.0)  # popularity beside them while that is found
CONFIDENCE = 0.5  # of the likeliest scale: the votes have seen the purchases that training predicts
WIDER_EXACT, WIDER_FACTORED = (2, 4), (2, 4, 8)  # times the width asked for; the exact votes take longer to find
MULTIPLICATIONS = 1e12  # at most, of purchases x items x width: an epoch of training takes a minute or two then
CHEAP = 2e10  # multiplications up to which the widest path is the default: an epoch takes seconds
TRIED = 2e11  # multiplications up to which the ridge and transitions are those that serve the widest path
CELLS = 1 << 24  # at most, of items x width: 64 MB
# The profile path: silent, or as counted.
PROFILE_SCALES, PROFILE_ERRORS = (0.0, 1.0), 2.0
FOLDS, PROFILE_USERS = 5, 1000
# Ratings: variance about what is expected, as a share of the variance about the item's mean.
NOISES, RATINGS = (0.85, 0.3, 0.1), 5000
# Lists: weights of popularity beside a history (never none: of items that the history says nothing of, the popular come
# first), of the history, and of the votes within a short history.
LIST_POPULARITIES = (1.0, 0.5, 0.25, 0.1, 0.01)
HISTORY_WEIGHTS = (1.0, 0.0, 0.25, 0.5, 0.75, 1.25)
VOTE_WEIGHTS = (1.0, 0.5, 0.25)
# Where most users have long histories, a short one is the beginning of a long one: so many purchases of it. What is
# held out is then a single purchase much later, so these weights serve there, unless others are better by more errors.
CUTS, CUT_ERRORS = (1, 3, 5), 2.0
QUIET_HISTORY, QUIET_VOTES = 0.6, 0.5
# What was bought before, in lists with purchases included: how far above what the towers expect it is put.
LIFTS = (0.0, 1.0, 2.0, 4.0, -2.0)
ENOUGH = 50  # users with a short history, so that its weights are no matter of chance
CASES = 2000  # held-out users on whom a setting is tried, at most

T = TypeVar("T")
PartWeights = tuple[float, float, float]  # of popularity, the history, and the votes within it


def is_better(gain: np.ndarray, errors: float = 1.0) -> bool:
    """Whether the paired gain [cases] is more than so many standard errors, among enough people to tell."""
    return len(gain) >= MIN_PEOPLE and bool(gain.mean() > errors * gain.std() / np.sqrt(len(gain)))


def choose(candidates: Sequence[T], quality: Callable[[T], np.ndarray], errors: float = 1.0) -> T:
    """The first candidate, or the best of those that are better than it by more than `errors` standard errors.

    quality : candidate -> float64 [cases], of the same cases; higher is better.
    """
    first, *others = candidates
    if not others:
        return first
    # The first one last: it is chosen most often, and what was made of it is at hand then.
    measured = {candidate: quality(candidate) for candidate in reversed(candidates)}
    better = [candidate for candidate in others if is_better(measured[candidate] - measured[first], errors)]
    return max(better, key=lambda candidate: measured[candidate].mean(), default=first)


# --- the linear path --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VotesAndPopularity:
    """A linear path, as evaluation measures it. history, items : float32 [items, rank].   popular : float32 [items]."""

    history: np.ndarray
    items: np.ndarray
    recency: float
    popular: np.ndarray

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return summed_votes(data, cases, self.history, self.recency) @ self.items.T + self.popular


def choose_linear_path(data: TwoTowerDataset, dim: int) -> LinearPath:
    """The linear path of the TRAIN purchases that serves the VALID ones best. dim : its least width."""
    cases = data.cases(VALID, affordable(CASES, data.n_items))
    if not len(cases):
        return LinearPath.fit(data, dim, LinearSettings(rank=dim))
    buyers, nothing = data.item_counts(), np.zeros((data.n_items, 1), np.float32)

    def ndcg(
        history: np.ndarray, items: np.ndarray, recency: float = 0.0, popular: np.ndarray = nothing[:, 0]
    ) -> np.ndarray:
        return user_metrics(rank_targets(VotesAndPopularity(history, items, recency, popular), data, cases))["ndcg_10"]

    half_life = choose(
        HALF_LIVES, lambda h: ndcg(nothing, nothing, popular=log_share(data, h)), errors=HALF_LIFE_ERRORS
    )
    popular = log_share(data, half_life)
    widths = _widths(data, dim)
    tried = max([dim, *(width for width in widths if _multiplications(data, width) <= TRIED)])
    # Ridge, transitions and width one after the other: of all at once a narrow path could win by the other's ridge, and
    # by chance. All as they are reduced to a rank, though it takes most of the time: whole votes choose worse.
    solve, m = lru_cache(maxsize=1)(vote_solver(data, max(widths))), bought_items(data)
    reduced = lru_cache(maxsize=1)(lambda ridge: solve(ridge).reduced(m, tried))
    votes = vote_solver(data, dim)(RIDGES[0]).reduced(m, dim)
    recency = choose(RECENCIES, lambda r: ndcg(*votes, r))
    ridge = choose(RIDGES, lambda r: ndcg(*reduced(r), recency))
    full, votes, follows = solve(ridge), reduced(ridge), transitions(data)
    weight = choose(
        TRANSITIONS,
        lambda w: ndcg(*(full.beside(follows, w, m).reduced(m, tried) if w else votes), recency),
    )
    if weight or tried < max(widths):
        votes = full.beside(follows, weight, m).reduced(m, max(widths))
    rank = choose(widths, lambda width: ndcg(*cut(votes, width), recency))
    votes = cut(votes, rank)
    discount = choose(DISCOUNTS, lambda d: ndcg(*discounted(votes, buyers, d), recency))
    votes = discounted(votes, buyers, discount)
    recency = choose(RECENCIES, lambda r: ndcg(*votes, r))
    settings = LinearSettings(rank, ridge, recency, half_life=half_life, discount=discount, transitions=weight)

    spread = float((summed_votes(data, cases, votes[0], recency) @ votes[1].T).std()) or 1.0
    share = choose(SHARES, lambda s: ndcg(*votes, recency, s * spread * popular))
    if not is_better(ndcg(*votes, recency, share * spread * popular) - ndcg(nothing, nothing, popular=popular)):
        # Thin data: what most users buy is all there is to know.
        return LinearPath.fit(data, dim, replace(settings, scale=0.0, popularity=1.0), votes)
    few = cases[:300]
    scores = VotesAndPopularity(*votes, recency, nothing[:, 0]).scores(data, few) / spread
    scale = CONFIDENCE * _likeliest_scale(scores, popular, data, few)
    return LinearPath.fit(data, dim, replace(settings, scale=scale / spread, popularity=share * scale), votes)


def _widths(data: TwoTowerDataset, dim: int) -> list[int]:
    """The ranks to choose from: those that cost little, from the widest, then those that have to prove their worth.

    The narrower of two may win by chance, and cuts off the few companions of an item; a wider one costs time.
    """
    wider = [dim * w for w in (WIDER_EXACT if is_exact(data) else WIDER_FACTORED)]
    wider = [w for w in wider if w * data.n_items <= CELLS and _multiplications(data, w) <= MULTIPLICATIONS]
    # Votes have no more dimensions than there are items or users.
    full = min(data.n_users, data.n_items)
    widths = [dim, *(w for w in wider if w // 2 < full)]
    cheap = [w for w in widths if _multiplications(data, w) <= CHEAP]
    return [*reversed(cheap), *(w for w in widths if w not in cheap)]


def _multiplications(data: TwoTowerDataset, width: int) -> float:
    """In an epoch of training at that width, about."""
    return float((data.role == TRAIN).sum()) * data.n_items * width


def _likeliest_scale(votes: np.ndarray, popular: np.ndarray, data: TwoTowerDataset, cases: Cases) -> float:
    """The scale of the votes [cases, items] that, beside popularity, makes the held-out purchases likeliest.

    Without popularity beside them the scale would be several times that, and training starts from overconfidence.
    """
    for row, bought in enumerate(cases.bought(data)):
        votes[row, bought] = -np.inf

    def log_likelihood(candidate: tuple[float, float]) -> np.ndarray:
        scale, popularity = candidate
        logits = scale * votes + popularity * popular
        own = [logits[row, targets].mean() for row, targets in enumerate(cases.targets)]
        return np.array(own) - logsumexp(logits, axis=1)

    return choose(list(product(VOTE_SCALES, BESIDE)), log_likelihood)[0]


# --- the profile path -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NaiveBayes:
    """Popularity and the profile path, as evaluation measures them."""

    counts: ProfileCounts
    left: np.ndarray
    right: np.ndarray

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        scores = np.full((len(cases), data.n_items), -np.inf, np.float32)
        # Ties count against a model. In the one list for all chance breaks them, or any profile would seem to help.
        chance = 1e-4 * np.random.default_rng(0).random(len(self.counts.sold))
        popular = np.log(self.counts.total + 0.5) + chance
        users = self.counts.vectors(self.left, data.profile_ids[cases.rows])
        scores[:, self.counts.sold] = users @ self.right.T + popular
        return scores


def choose_profile_path(data: TwoTowerDataset, rank: int, seed: int) -> ProfilePath:
    """The profile path of the TRAIN purchases, as loud as serves users best who were left out of its counts."""
    counts, rows = ProfileCounts.of(data), learned_rows(data)
    users = newcomers(data, rows, affordable(PROFILE_USERS, data.n_items), seed)
    if counts is None or len(users) < FOLDS:
        return ProfilePath.silent(data, rank)
    fold = (FOLDS * drawn(data.tables.user_keys, f"folds {seed}")).astype(np.int64)
    others = [counts.plus(data, rows[fold[data.user[rows]] == k], sign=-1) for k in range(FOLDS)]

    def quality(scale: float) -> np.ndarray:
        ndcg = np.zeros(len(users))
        for k, of_others in enumerate(others):
            here = fold[users.users] == k
            model = NaiveBayes(of_others, *of_others.log_ratios(scale, rank))
            ndcg[here] = user_metrics(rank_targets(model, data, users[here]))["ndcg_10"]
        return ndcg

    scale = choose(PROFILE_SCALES, quality, PROFILE_ERRORS)
    return ProfilePath.fit(data, counts, rank, scale) if scale else ProfilePath.silent(data, rank)


# --- ratings ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RatingScorer:
    """A rating path, as evaluation measures it."""

    rater: Rater
    items: Vectors
    max_history: int

    def users(self, inputs: UserInputs) -> Vectors:
        return Vectors.of_people(np.zeros((len(inputs), 0), np.float32), self.rater.vectors(inputs, self.items.rate))


def choose_rating_path(data: TwoTowerDataset, rank: int, seed: int, reads: int) -> RatingPath:
    """The rating path of the TRAIN ratings that errs least on the VALID ones. reads : purchases of a user, at most."""
    rated = (data.role == VALID) & np.isfinite(data.rating)
    if not rated.any():
        return fit_rating_paths(data, rank, seed, NOISES[:1])[0]
    paths = {path.noise: path for path in fit_rating_paths(data, rank, seed, NOISES)}
    none = np.zeros((data.n_items, 0), np.float32)

    def negative_error(noise: float) -> np.ndarray:
        path = paths[noise]
        scorer = RatingScorer(Rater.of(path.precision, path.profile), Vectors(none, path.items, none), reads)
        predicted, actual = predict_held_out_ratings(scorer, data, VALID, RATINGS)
        return -((predicted - actual) ** 2)

    return paths[choose(NOISES, negative_error)]


# --- lists ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EncodedCases:
    """Validation cases in vectors, measured under several weights of their parts.

    items : float32 [items, d].   users : float32 [cases, d].   voteless : the same without what purchases vote for,
    where that can be told apart.   width : of the part of the vectors in which histories meet items.   hidden : of each
    case, item rows that no list may hold.
    """

    data: TwoTowerDataset
    cases: Cases
    items: np.ndarray
    users: np.ndarray
    voteless: np.ndarray | None
    width: int
    hidden: Sequence[np.ndarray]

    @classmethod
    def of(
        cls,
        scorer: VectorScorer,
        data: TwoTowerDataset,
        cases: Cases,
        voteless: VectorScorer | None = None,
        hidden: Sequence[np.ndarray] | None = None,
    ) -> EncodedCases:
        """voteless : the same model, in which purchases do not vote.   hidden : where that is not what each case knows
        to be bought."""
        items = scorer.items.rank
        users = np.zeros((len(cases), items.shape[1]), np.float32)
        without = None if voteless is None else users.copy()
        for part in parts_by_length(data, cases):
            inputs = case_inputs(data, cases[part], scorer.max_history)
            users[part] = scorer.users(inputs).rank
            if voteless is not None and without is not None:
                without[part] = voteless.users(inputs).rank
        if cases.reorders:
            hidden = [np.zeros(0, np.int64)] * len(cases)
        elif hidden is None:
            hidden = cases.bought(data)
        return cls(data, cases, items, users, without, scorer.items.trace.shape[1], hidden)

    def __getitem__(self, rows: np.ndarray) -> EncodedCases:
        without = None if self.voteless is None else self.voteless[rows]
        hidden = [self.hidden[row] for row in rows]
        return replace(self, cases=self.cases[rows], users=self.users[rows], voteless=without, hidden=hidden)

    @property
    def more_than_votes(self) -> bool:
        """Whether histories say anything beside their votes that can be weighed against these."""
        return self.voteless is not None and bool(self.voteless[:, : self.width].any())

    def ndcg(self, candidates: Sequence[PartWeights]) -> dict[PartWeights, np.ndarray]:
        """NDCG@10 [cases] under each of the weights. What each part says is multiplied out once for all of them."""
        popularity, history, votes = np.array(candidates, np.float32).T[..., None]  # [candidates, 1] each
        width, apart = self.width, self.voteless is not None and bool((votes != 1).any())
        items, others, popular = self.items[:, :width].T, self.items[:, width:-1].T, popularity * self.items[:, -1]
        ranks: list[list[np.ndarray]] = [[np.zeros(0)] * len(self.cases) for _ in candidates]
        known = self.cases.lengths(self.data) > 0
        for part in parts_by_length(self.data, self.cases):
            said, rest = self.users[part, :width] @ items, self.users[part, width:-1] @ others  # [part, items]
            unvoted = self.voteless[part, :width] @ items if apart and self.voteless is not None else said
            for row, case in enumerate(part):
                rest[row, self.hidden[case]] = -np.inf
                loud = votes * said[row] + (1 - votes) * unvoted[row] if apart else said[row]
                scores = history * loud + known[case] * popular + rest[row]  # [candidates, items]
                for of_candidate, of_items in zip(ranks, scores, strict=True):
                    of_candidate[case] = ranks_of(of_items, self.cases.targets[case])
        return {candidate: ndcg(found, TOP) for candidate, found in zip(candidates, ranks, strict=True)}


def choose_list_weights(
    scorer: VectorScorer,
    data: TwoTowerDataset,
    cases: Cases,
    popularities: Sequence[float] = LIST_POPULARITIES,
    voteless: VectorScorer | None = None,
) -> ListWeights:
    """Weights of popularity and of the history in lists, for long and for short histories.

    Only users with a history are measured: the weights are theirs. A history that serves them worse than popularity
    alone gets no weight. In a short history it never gets more weight than in a long one. Where few users have a short
    history, the first purchases of long ones stand for them.

    voteless : the same model, in which purchases do not vote, where these can be weighed apart.
    """
    cases = cases[cases.lengths(data) > 0]
    if len(cases) < 2:
        return ListWeights()
    encoded = EncodedCases.of(scorer, data, cases, voteless)
    by_popularity = [(weight, 1.0, 1.0) for weight in popularities]
    popularity = choose(by_popularity, encoded.ndcg(by_popularity).__getitem__)[0]
    by_history = [(popularity, weight, 1.0) for weight in HISTORY_WEIGHTS]
    quality = encoded.ndcg([*by_history, alone := (1.0, 0.0, 1.0)])
    history = choose(by_history, quality.__getitem__)[1]
    if history == 0 or quality[alone].mean() > quality[popularity, history, 1.0].mean():
        popularity, history = 1.0, 0.0
    weights = ListWeights(popularity, history, popularity, history)

    lengths = cases.lengths(data)
    short, long = np.flatnonzero(lengths <= SHORT), np.flatnonzero(lengths >= LONG)
    cut = len(short) < 2 * ENOUGH and len(long) >= len(short)
    some = long if cut else short
    if len(some) < ENOUGH:
        return weights
    some = some[:: -(-len(some) // affordable(CASES, data.n_items))]
    votes = VOTE_WEIGHTS if encoded.more_than_votes else (1.0,)
    quieter = [weight for weight in sorted(HISTORY_WEIGHTS, reverse=True) if weight <= history]
    candidates = list(product(dict.fromkeys([popularity, 1.0]), quieter, votes))
    if not cut:
        return ListWeights(popularity, history, *choose(candidates, encoded[some].ndcg(candidates).__getitem__))
    whole = cases[some]
    parts = [EncodedCases.of(scorer, data, cut_short(data, whole, n), voteless, whole.bought(data)) for n in CUTS]
    quiet = (1.0, min(QUIET_HISTORY, history), QUIET_VOTES if len(votes) > 1 else 1.0)
    candidates = [quiet, *candidates]
    found = [part.ndcg(candidates) for part in parts]
    chosen = choose(candidates, lambda candidate: np.mean([part[candidate] for part in found], axis=0), CUT_ERRORS)
    return ListWeights(popularity, history, *chosen)


def cut_short(data: TwoTowerDataset, cases: Cases, known: int) -> Cases:
    """The same cases in the same order, of whose longer histories only the first `known` purchases are known."""
    context = data.first_row[cases.users] + known - 1
    return replace(cases, rows=context + 1, context=context)


# --- what was bought before -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scored:
    """Scores of some cases, as evaluation measures them. rows : int64 [n], of the cases, ascending.
    values : float32 [n, items]."""

    rows: np.ndarray
    values: np.ndarray

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return self.values[np.searchsorted(self.rows, cases.rows)]


def choose_repeats(scorer: Scorer, data: TwoTowerDataset) -> Repeats | None:
    """How the TRAIN purchases say people come back to what they bought, put beside the towers as serves the next
    baskets of the VALID purchases best; None where the towers alone serve them better, or nobody buys anything twice.

    By default a likelihood of what was bought before is compared with the share of an item among all that the towers'
    softmax expects: the highest score is that of a share, the same for everybody.
    """
    repeats, cases = fit_repeats(data), data.next_baskets(VALID, affordable(CASES, data.n_items))
    if repeats is None or len(cases) < 2:
        return None
    values = np.zeros((len(cases), data.n_items), np.float32)
    for part in parts_by_length(data, cases):
        values[part] = scores_of(scorer, data, cases[part])
    towers = _Scored(cases.rows, values)
    share_of_best = float((values.max(1) - logsumexp(values, axis=1)).mean())

    def ndcg_of(candidate: Repeats | None) -> np.ndarray:
        return user_metrics(rank_targets(NextBaskets(towers, candidate), data, cases))["ndcg_10"]

    first, *others = (replace(repeats, lift=lift - share_of_best) for lift in LIFTS)
    candidates = [first, None, *others]
    return candidates[choose(range(len(candidates)), lambda number: ndcg_of(candidates[number]))]
