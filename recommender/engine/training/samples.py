"""Lists for a few people, made by the model in training: examples to look at, and questions to ask the bundle again.

A bundle that answers otherwise than the model it was written from is broken, however good the model was. No torch here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recommender.engine.bundle.retrieval import best_rows
from recommender.engine.bundle.standalone import Recommendation, StandaloneRecommender
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.inputs import UserInputs
from recommender.engine.errors import EngineError
from recommender.engine.evaluation.metrics import VectorScorer

PEOPLE = 20
LISTED = 10
REMEMBERED = 10  # purchases of each that a sample names, the latest ones
TOLERANCE = 2e-3  # of a score, or absolute where that is small: what float32 sums differ by in another order


def sampled_people(data: TwoTowerDataset, n: int = PEOPLE) -> np.ndarray:
    """int64 [<= n]: rows of users who bought something, evenly from who bought least to who bought most."""
    bought = np.diff(data.first_row)
    order = np.argsort(bought, kind="stable")
    order = order[bought[order] > 0]
    return np.unique(order[np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(np.int64)])


def lists_of(scorer: VectorScorer, data: TwoTowerDataset, users: np.ndarray, k: int = LISTED) -> list[list[Any]]:
    """For each user row the best k available items not bought, knowing every purchase: [[item key, score], ...]."""
    histories = [slice(a, b) for a, b in zip(data.first_row[users], data.first_row[users + 1], strict=True)]
    columns = {name: column[users] for name, column in data.user_columns_now().items()}
    ids, numbers = data.encoders.encode_users(columns, len(users))
    inputs = UserInputs.of(
        [(data.item[h].astype(np.int64), data.time[h], data.rating[h]) for h in histories],
        np.diff(data.first_row)[users],
        ids,
        numbers,
        scorer.max_history,
    )
    scores = scorer.users(inputs).rank @ scorer.items.rank.T  # [users, items]
    scores[:, ~data.tables.available] = -np.inf
    for row, history in enumerate(histories):
        scores[row, data.item[history]] = -np.inf
    rows, best_scores = best_rows(scores, k)
    keys = data.tables.item_keys
    return [
        [[str(keys[item]), float(score)] for item, score in zip(*of_one, strict=True) if item >= 0]
        for of_one in zip(rows, best_scores, strict=True)
    ]


def sample(
    scorer: VectorScorer, data: TwoTowerDataset, live: tuple[VectorScorer, TwoTowerDataset] | None = None
) -> list[dict[str, Any]]:
    """A row for each of a few people: `user`, `purchases` in all, `history` (the latest items, newest first), `list`
    and, where there is a live model, `before`: [item, score] pairs, the best first.

    live : the model that serves now, and the same purchases under its own encoders.
    """
    users = sampled_people(data)
    if len(users) == 0:
        return []
    before = [None] * len(users) if live is None else lists_of(*live, users)
    keys, samples = data.tables.item_keys, []
    for user, listed, earlier in zip(users, lists_of(scorer, data, users), before, strict=True):
        a, b = data.first_row[user], data.first_row[user + 1]
        samples.append(
            {
                "user": str(data.tables.user_keys[user]),
                "purchases": int(b - a),
                "history": [str(keys[item]) for item in data.item[a:b][: -REMEMBERED - 1 : -1]],
                "list": listed,
                "before": earlier,
            }
        )
    return samples


def other_answers(bundle: Path, samples: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the bundle, opened as whoever serves it would, answers otherwise than the trainer did, as sentences."""
    try:
        opened = StandaloneRecommender.from_bundle(bundle)
        answers = opened.recommend_for_users([sample["user"] for sample in samples], top_k=LISTED)
    except EngineError as error:
        return [str(error)]
    differences = [_difference(sample["list"], answer) for sample, answer in zip(samples, answers, strict=True)]
    return [sentence for sentence in differences if sentence]


def _difference(expected: Sequence[Sequence[Any]], answer: Sequence[Recommendation]) -> str:
    """Equal scores may stand in any order, so places are compared by their scores and items by being there at all.

    The sentence is kept for long, so it names nobody.
    """
    if len(expected) != len(answer):
        return f"Somebody was listed {len(expected)} items by the trainer and {len(answer)} by the bundle."
    for place, ((item, score), listed) in enumerate(zip(expected, answer, strict=True), 1):
        if not abs(score - listed.score) <= TOLERANCE * max(1.0, abs(score)):
            return (
                f"Somebody's place {place} was {item} at {score:.4f} for the trainer and {listed.item} at "
                f"{listed.score:.4f} for the bundle."
            )
    scores = {listed.item: listed.score for listed in answer}
    last = min((score for _, score in expected), default=0.0)
    missing = [i for i, score in expected if i not in scores and score - last > TOLERANCE * max(1.0, abs(score))]
    return f"Somebody was listed {missing[0]} by the trainer and not by the bundle." if missing else ""
