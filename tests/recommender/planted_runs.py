"""Runs and versions as a training leaves them, with a report of the shape that the engine writes, and no training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from recommender.models import ModelVersion, TrainingRun
from recommender.training.gate import decide
from recommender.training.outcome import metrics_of
from recommender.words import columns

STUDY = [
    {"number": n, "settings": s, "curve": [0.1] * epochs, "ndcg_10": ndcg, "state": "done", "seconds": seconds}
    for n, s, epochs, ndcg, seconds in (
        (1, {"learning_rate": 0.001, "dim": 128}, 7, 0.131, 31.2),
        (2, {"learning_rate": 0.00213, "dim": 64}, 5, 0.142, 22.0),
    )
]


def report(
    ours: float = 0.108,
    popularity: float = 0.043,
    margin: float = 0.014,
    study: Sequence[dict[str, Any]] = (),
    samples: Sequence[dict[str, Any]] = (),
    out_of_time: bool = False,
    minutes: float | None = None,
) -> dict[str, Any]:
    """A report in which the two towers have NDCG@10 `ours`, every interval `margin` to both sides."""

    def row(model: str, ndcg: float) -> dict[str, Any]:
        interval = [ndcg - margin, ndcg + margin]
        return {"model": model, "ndcg_10": ndcg, "ndcg_10_interval": interval, "hr_10": 0.21, "hr_10_interval": None}

    def whole(model: str, ndcg: float) -> dict[str, Any]:
        rest = {"recall_20": 0.3, "mrr": 0.09, "coverage": 0.42, "top_percent": 0.17, "gini": 0.81}
        return {**row(model, ndcg), **rest}

    gap = ours - popularity
    pair = {"difference": gap, "low": gap - margin, "high": gap + margin}
    return {
        "split": "last-out",
        "users": 943,
        "models": [whole("two_tower", ours), whole("popularity", popularity)],
        "paired": {"popularity": pair},
        "segments": [
            {
                "segment": "1-5 purchases",
                "users": 311,
                "models": [row("two_tower", ours), row("popularity", popularity)],
                "paired": {"popularity": pair},
            },
        ],
        "next_baskets": {
            "users": 812,
            "bought_again": 0.41,
            "models": [row("two_tower", 0.308), row("popularity", 0.068), row("personal_frequency", 0.278)],
            "paired": {"personal_frequency": {"difference": 0.03, "low": 0.024, "high": 0.037}},
        },
        "ratings": {
            "rmse": 0.911,
            "mae": 0.7,
            "global_mean_rmse": 1.125,
            "item_mean_rmse": 1.023,
            "n": 943,
            "calibration": [
                {"predicted": 2.5, "actual": 2.4, "low": 2.2, "high": 2.6, "n": 471},
                {"predicted": 4.25, "actual": 4.4, "low": 4.3, "high": 4.5, "n": 472},
            ],
        },
        "counts": {"users": 943, "items": 1682, "interactions": 100_000, "rated": 100_000},
        "fingerprint": "f" * 64,
        "curve": [
            {"epoch": 1, "loss": 6.5, "ndcg_10": 0.05, "learning_rate": 0.004},
            {"epoch": 2, "loss": 6.1, "ndcg_10": 0.11, "learning_rate": 0.004},
        ],
        "settings": {"loss": "softmax", "minutes": minutes},
        "out_of_time": out_of_time,
        "study": list(study),
        "samples": list(samples),
        "seconds": 31.0,
    }


def version(name: str, **quality: Any) -> ModelVersion:
    """A version whose run ended in promoted or refused, as the gate decides. Its bundle is another matter."""
    measured = report(**quality)
    decision = decide(measured)
    state = TrainingRun.State.PROMOTED if decision.promote else TrainingRun.State.REFUSED
    run = TrainingRun.objects.create(
        state=state,
        phase=state.label,
        progress=1,
        metrics=metrics_of(measured),
        counts=measured["counts"],
        curve=measured["curve"],
        started=timezone.now(),
        finished=timezone.now(),
        log="12:00:00 Read 943 customers.",
    )
    return ModelVersion.objects.create(
        name=name,
        run=run,
        report=measured,
        passed_gate=decision.promote,
        **columns(gate_reason=decision.reason),
    )
