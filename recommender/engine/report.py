"""What a run learned and how good it is: the numbers behind the gate, the admin's page and report.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recommender.engine.baselines import Popularity, SegmentPopularity
from recommender.engine.dataset import TEST, TRAIN, Cases, TwoTowerDataset
from recommender.engine.evaluation import (
    METRICS,
    Scorer,
    VectorScorer,
    bootstrap_interval,
    predict_held_out_ratings,
    rank_targets,
    user_metrics,
)

SEGMENTS = (("1-5 purchases", 1, 5), ("6-20 purchases", 6, 20), ("over 20 purchases", 21, np.inf))


@dataclass(frozen=True)
class Report:
    """Everything measured on the held-out purchases of one split. Every interval is a 95 % bootstrap over people.

    models : a row a model with its metrics. paired : NDCG@10 of the two towers minus another model's, person by person.
    segments : NDCG@10 by what is known of the person, beside popularity; "profile only" hides the whole history.
    ratings : RMSE and MAE in stars beside two baselines, None where nothing is rated.
    study : a row a trial, where settings were tuned (tuner.Trial).
    start : "warm", from the weights of the live model, or "cold", and why where a warm start was asked for.
    """

    split: str
    users: int
    models: list[dict[str, Any]]
    paired: dict[str, dict[str, float]]
    segments: list[dict[str, Any]]
    ratings: dict[str, float] | None
    counts: dict[str, int]
    fingerprint: str
    curve: list[dict[str, float]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    study: list[dict[str, Any]] = field(default_factory=list)
    start: str = "cold"
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    @property
    def metrics(self) -> dict[str, Any]:
        """The two towers' own row."""
        return next(m for m in self.models if m["model"] == "two_tower")


def evaluate(
    scorer: VectorScorer,
    data: TwoTowerDataset,
    *,
    how: str,
    at_most: int,
    resamples: int,
    live: tuple[Scorer, TwoTowerDataset] | None = None,
    curve: list[dict[str, float]] | None = None,
    settings: dict[str, Any] | None = None,
) -> Report:
    """Measure a model on the TEST purchases of `data` beside popularity, popularity by segment and the live model.

    live : the live model and the same purchases under its own encoders.
    """
    cases = data.cases(TEST, at_most)
    popularity = Popularity(data)
    rivals: dict[str, tuple[Scorer, TwoTowerDataset]] = {
        "popularity": (popularity, data),
        "segment_popularity": (SegmentPopularity(data), data),
    }
    if live is not None:
        rivals["live"] = live
    rows, per_user = [], {}
    for name, (model, its_data) in {"two_tower": (scorer, data), **rivals}.items():
        metrics, coverage = _measure(model, its_data, cases)
        per_user[name] = metrics["ndcg_10"]
        rows.append(_row(name, metrics, coverage, resamples))
    ours = per_user["two_tower"]
    return Report(
        split=how,
        users=len(cases),
        models=rows,
        paired={name: _paired(ours - per_user[name], resamples) for name in rivals},
        segments=_segments(scorer, data, cases, ours, per_user["popularity"], resamples),
        ratings=_ratings(scorer, data),
        counts={
            "users": data.n_users,
            "items": data.n_items,
            "interactions": len(data),
            "rated": int(np.isfinite(data.rating).sum()),
        },
        fingerprint=data.tables.fingerprint(),
        curve=curve or [],
        settings=settings or {},
    )


def _measure(scorer: Scorer, data: TwoTowerDataset, cases: Cases) -> tuple[dict[str, np.ndarray], float]:
    shown = np.zeros(data.n_items, dtype=bool)
    metrics = user_metrics(rank_targets(scorer, data, cases, shown=shown))
    return metrics, float(shown.mean())


def _row(name: str, metrics: dict[str, np.ndarray], coverage: float, resamples: int) -> dict[str, Any]:
    row: dict[str, Any] = {"model": name}
    for metric in METRICS:
        row[metric] = _mean(metrics[metric])
        row[f"{metric}_interval"] = (
            list(bootstrap_interval(metrics[metric], resamples)) if len(metrics[metric]) else None
        )
    return {**row, "coverage": coverage}


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def _paired(difference: np.ndarray, resamples: int) -> dict[str, Any]:
    if len(difference) == 0:
        return {"difference": None, "low": None, "high": None}
    low, high = bootstrap_interval(difference, resamples)
    return {"difference": float(difference.mean()), "low": low, "high": high}


def _segments(
    scorer: VectorScorer, data: TwoTowerDataset, cases: Cases, ours: np.ndarray, popular: np.ndarray, resamples: int
) -> list[dict[str, Any]]:
    bare = user_metrics(rank_targets(scorer, data, cases, profile_only=True))["ndcg_10"]
    known = cases.lengths(data)
    parts = [("profile only", np.ones(len(cases), dtype=bool), bare)]
    parts += [("no history", known == 0, ours)]
    parts += [(name, (known >= low) & (known <= high), ours) for name, low, high in SEGMENTS]
    return [
        {
            "segment": name,
            "users": int(which.sum()),
            "two_tower": _mean(values[which]),
            "popularity": _mean(popular[which]),
            **_paired((values - popular)[which], resamples),
        }
        for name, which, values in parts
        if which.any()
    ]


def _ratings(scorer: VectorScorer, data: TwoTowerDataset) -> dict[str, float] | None:
    """Errors on the held-out ratings, beside the mean of all ratings and each item's own mean."""
    predicted, actual = predict_held_out_ratings(scorer, data, TEST)
    train = np.isfinite(data.rating) & (data.role == TRAIN)
    if len(actual) == 0 or not train.any():
        return None
    rows = np.flatnonzero((data.role == TEST) & np.isfinite(data.rating))[: len(actual)]
    mean = float(data.rating[train].mean())
    count = np.bincount(data.item[train], minlength=data.n_items)
    total = np.bincount(data.item[train], data.rating[train], minlength=data.n_items)
    of_item = np.where(count > 0, total / np.maximum(count, 1), mean)[data.item[rows]]

    def rmse(guess: np.ndarray | float) -> float:
        return float(np.sqrt(np.mean((guess - actual) ** 2)))

    return {
        "rmse": rmse(predicted),
        "mae": float(np.abs(predicted - actual).mean()),
        "global_mean_rmse": rmse(mean),
        "item_mean_rmse": rmse(of_item),
        "n": len(actual),
    }
