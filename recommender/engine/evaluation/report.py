"""What a run learned and how good it is: the numbers behind the gate, the admin's page and report.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from recommender.engine.bundle.repeats import Repeats
from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.splits import TEST
from recommender.engine.errors import BundleError, EngineError, InferenceError
from recommender.engine.evaluation.baselines import Popularity, SegmentPopularity
from recommender.engine.evaluation.metrics import (
    METRICS,
    CaseScorer,
    Scorer,
    VectorScorer,
    bootstrap_interval,
    bootstrap_intervals,
    concentration,
    predict_held_out_ratings,
    rank_targets,
    user_metrics,
)
from recommender.engine.evaluation.next_baskets import NextBaskets, PersonalFrequency
from recommender.engine.evaluation.segments import BY_PURCHASES

OF_SEGMENTS = ("ndcg_10", "hr_10")
PROTOCOL = 2  # raised whenever purchases are held out or ranked in another way: figures of two protocols say nothing
CALIBRATION_BINS = 10
LEAST_IN_A_BIN = 20


@dataclass(frozen=True)
class Report:
    """Everything measured on the held-out purchases of one split. Every interval is a 95 % bootstrap over people.

    models : a row a model with its metrics and how its lists share out their places (evaluation.concentration).
    paired : NDCG@10 of the two towers minus another model's, person by person.
    segments : a row a segment, with `models` and `paired` as above among its people alone (NDCG@10 and HR@10): by how
        many purchases are known; "profile only", everybody with the whole history hidden; "new items", those whose
        held-out purchases nobody had made before, ranked among such items only.
    protocol : how purchases are held out and ranked (PROTOCOL).   reorders : whether all that was held out had been
        bought before, so that bought items were ranked too.
    unmeasured : `segment` and `users` of the segments by purchases in which nobody could be measured.
    next_baskets : NDCG@10 of what people bought next, bought before or not, of the lists with purchases included beside
        popularity and what each bought most often: `users`, `bought_again` (the share of it that they had bought
        before), `models` and `paired` as above; None where nobody buys anything twice.
    ratings : RMSE and MAE in stars beside two baselines, and `calibration`, what people gave where like ratings were
        predicted; None where nothing is rated.
    refit : NDCG@10 of what serves, where it has learned from the held-out purchases too, on the same purchases, and how
        much that is more than the two towers' own: no measure of its quality, but less than none it must not be.
    samples : lists of a few people (samples.sample), as what is served makes them.
    study : a row a trial, where settings were tuned (tuner.Trial).
    left_out : what of the snapshot could not be used or does not fit together (left_out.LeftOut).
    start : "warm", from the weights of the live model, or "cold", and why where a warm start was asked for.
    out_of_time : whether the run's limit in minutes ended training.
    """

    split: str
    users: int
    models: list[dict[str, Any]]
    paired: dict[str, dict[str, float | None]]
    segments: list[dict[str, Any]]
    ratings: dict[str, Any] | None
    counts: dict[str, int]
    fingerprint: str
    curve: list[dict[str, float]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    study: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    unmeasured: list[dict[str, Any]] = field(default_factory=list)
    next_baskets: dict[str, Any] | None = None
    refit: dict[str, float] | None = None
    reorders: bool = False
    protocol: int = PROTOCOL
    start: str = "cold"
    out_of_time: bool = False
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
    earlier: Mapping[str, Callable[[], tuple[Scorer, TwoTowerDataset]]] = MappingProxyType({}),
    not_compared: Callable[[str, EngineError], None] = lambda name, error: None,
    refit: VectorScorer | None = None,
    repeats: Repeats | None = None,
    **facts: Any,
) -> Report:
    """Measure a model on the TEST purchases of `data` beside popularity, popularity by segment and earlier models.

    earlier : by name, what opens an earlier model and the same purchases under its own encoders.   not_compared : is
    told of one that does not open or answer; the report is then without it.   refit : what serves, which has learned
    from the TEST purchases.   repeats : what people come back to, as far as the model knows.   facts : other fields of
    the report.
    """
    cases = data.cases(TEST, at_most)
    new = data.item_counts() == 0
    rivals: dict[str, tuple[Scorer, TwoTowerDataset]] = {
        "popularity": (Popularity(data), data),
        "segment_popularity": (SegmentPopularity(data), data),
    }
    measured = {"two_tower": _measure(scorer, data, cases, new)}
    measured |= {name: _measure(model, its_data, cases, new) for name, (model, its_data) in rivals.items()}
    for name, open_model in earlier.items():
        try:
            measured[name] = _measure(*open_model(), cases, new)
        except (BundleError, InferenceError) as error:
            not_compared(name, error)
    everybody = np.ones(len(cases), dtype=bool)
    rows, paired = _compare({n: found.metrics for n, found in measured.items()}, METRICS, everybody, resamples)
    segments = _segments(measured, cases.lengths(data), resamples)
    return Report(
        split=how,
        users=len(cases),
        models=[{**row, **concentration(measured[row["model"]].shown)} for row in rows],
        paired=paired,
        segments=segments,
        unmeasured=_unmeasured(data, {row["segment"] for row in segments}),
        refit=_refit(refit, data, cases, measured["two_tower"], resamples) if refit and len(cases) else None,
        reorders=cases.reorders,
        next_baskets=_next_baskets(scorer, repeats, data, at_most, resamples),
        ratings=_ratings(scorer, data),
        counts={
            "users": data.n_users,
            "items": data.n_items,
            "interactions": len(data),
            "rated": int(np.isfinite(data.rating).sum()),
        },
        fingerprint=data.tables.fingerprint(),
        left_out=[part.to_dict() for part in data.tables.left_out],
        **facts,
    )


@dataclass(frozen=True)
class _Measured:
    """What one model did: float64 [cases] of each metric, as it is, with the history hidden, and of the cases with a
    target that nobody had bought.   shown : int64 [items], lists each stands in."""

    metrics: dict[str, np.ndarray]
    bare: dict[str, np.ndarray]
    new: dict[str, np.ndarray]
    shown: np.ndarray


def _measure(scorer: Scorer, data: TwoTowerDataset, cases: Cases, new: np.ndarray) -> _Measured:
    """new : bool [items], those that nobody had bought."""
    shown = np.zeros(data.n_items, dtype=np.int64)
    metrics = bare = user_metrics(rank_targets(scorer, data, cases, shown=shown))
    if not isinstance(scorer, CaseScorer):
        bare = user_metrics(rank_targets(scorer, data, cases, profile_only=True))
    targets = [items[new[items]] for items in cases.targets]
    some = np.flatnonzero([len(items) > 0 for items in targets])
    of_new = replace(cases[some], targets=[targets[k] for k in some], reorders=False)
    return _Measured(metrics, bare, user_metrics(rank_targets(scorer, data, of_new, among=new)), shown)


def _refit(
    refit: VectorScorer, data: TwoTowerDataset, cases: Cases, measured: _Measured, resamples: int
) -> dict[str, float]:
    ndcg = user_metrics(rank_targets(refit, data, cases))["ndcg_10"]
    difference = ndcg - measured.metrics["ndcg_10"]
    low, high = bootstrap_interval(difference, resamples)
    return {"ndcg_10": float(ndcg.mean()), "difference": float(difference.mean()), "low": low, "high": high}


Compared = dict[str, dict[str, np.ndarray]]  # model -> metric -> float64 [cases]


def _compare(
    metrics: Compared, which: Sequence[str], people: np.ndarray, resamples: int
) -> tuple[list[dict[str, Any]], dict[str, dict[str, float | None]]]:
    """Among some people: a row a model with the metrics named; NDCG@10 of the two towers less that of each other."""
    values = {(model, metric): measured[metric][people] for model, measured in metrics.items() for metric in which}
    ours, others = values["two_tower", "ndcg_10"], [model for model in metrics if model != "two_tower"]
    values |= {(model, "paired"): ours - values[model, "ndcg_10"] for model in others}
    table = np.column_stack([*values.values()])
    summary: dict[tuple[str, str], list[float | None]] = {key: [None, None, None] for key in values}
    if len(table):
        intervals = bootstrap_intervals(table, resamples)
        summary = dict(zip(values, np.column_stack([table.mean(0), intervals]).tolist(), strict=True))
    rows = []
    for model in metrics:
        row: dict[str, Any] = {"model": model}
        for metric in which:
            mean, *interval = summary[model, metric]
            row |= {metric: mean, f"{metric}_interval": None if mean is None else interval}
        rows.append(row)
    return rows, {m: dict(zip(("difference", "low", "high"), summary[m, "paired"], strict=True)) for m in others}


def _segments(measured: dict[str, _Measured], known: np.ndarray, resamples: int) -> list[dict[str, Any]]:
    """known : int64 [cases], purchases known of each person."""
    as_is, bare, new = ({n: getattr(m, part) for n, m in measured.items()} for part in ("metrics", "bare", "new"))
    parts = [("profile only", np.ones(len(known), dtype=bool), bare), ("no history", known == 0, as_is)]
    parts += [(name, (known >= low) & (known <= high), as_is) for name, low, high in BY_PURCHASES]
    parts += [("new items", np.ones(len(new["two_tower"]["ndcg_10"]), dtype=bool), new)]
    segments = []
    for name, people, metrics in parts:
        if people.any():
            rows, paired = _compare(metrics, OF_SEGMENTS, people, resamples)
            segments.append({"segment": name, "users": int(people.sum()), "models": rows, "paired": paired})
    return segments


def _next_baskets(
    scorer: VectorScorer, repeats: Repeats | None, data: TwoTowerDataset, at_most: int, resamples: int
) -> dict[str, Any] | None:
    cases = data.next_baskets(TEST, at_most)
    if repeats is None or not len(cases):
        return None
    models: dict[str, Scorer] = {
        "two_tower": NextBaskets(scorer, repeats),
        "popularity": Popularity(data),
        "personal_frequency": PersonalFrequency(data),
    }
    found = {name: user_metrics(rank_targets(model, data, cases)) for name, model in models.items()}
    rows, paired = _compare(found, ("ndcg_10",), np.ones(len(cases), dtype=bool), resamples)
    pairs = zip(cases.targets, cases.bought(data), strict=True)
    again = sum(int(np.isin(targets, bought).sum()) for targets, bought in pairs)
    share = again / sum(len(targets) for targets in cases.targets)
    return {"users": len(cases), "bought_again": share, "models": rows, "paired": paired}


def _unmeasured(data: TwoTowerDataset, measured: set[str]) -> list[dict[str, Any]]:
    bought = np.diff(data.first_row)
    people = {name: int(((bought >= low) & (bought <= high)).sum()) for name, low, high in BY_PURCHASES}
    return [{"segment": name, "users": n} for name, n in people.items() if n and name not in measured]


def _ratings(scorer: VectorScorer, data: TwoTowerDataset) -> dict[str, Any] | None:
    """Errors on the held-out ratings, beside the mean of all ratings and each item's own mean."""
    predicted, actual = predict_held_out_ratings(scorer, data, TEST)
    train = data.latest_ratings()
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
        "calibration": calibration(predicted, actual),
    }


def calibration(predicted: np.ndarray, actual: np.ndarray) -> list[dict[str, float]]:
    """A row for each tenth of the ratings, from the lowest predicted to the highest: the mean predicted, the mean
    given with its 95 % interval (of the mean, normal), and `n`. Fewer rows where a tenth would be under twenty ratings.
    """
    order = np.argsort(predicted, kind="stable")
    rows = []
    for part in np.array_split(order, int(np.clip(len(order) // LEAST_IN_A_BIN, 1, CALIBRATION_BINS))):
        mean = float(actual[part].mean())
        margin = 1.96 * float(actual[part].std()) / len(part) ** 0.5
        rows.append(
            {
                "predicted": float(predicted[part].mean()),
                "actual": mean,
                "low": mean - margin,
                "high": mean + margin,
                "n": len(part),
            }
        )
    return rows
