"""A warm start beside a cold one: the last tenth of the time is added to what a live model has learned.

Both learn from the same purchases, are stopped by the same validation and measured on the same test, judged weights
against judged weights. Seconds are of the whole way from tables to bundle; those of the processor wait for nobody.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import datasets
from recommender.engine.bundle.comparison import learned_by, open_for_comparison
from recommender.engine.config import TrainConfig
from recommender.engine.data.splits import TEST, VALID, split
from recommender.engine.data.tables import Tables
from recommender.engine.errors import EngineError
from recommender.engine.evaluation.metrics import bootstrap_interval, rank_targets, user_metrics
from recommender.engine.training.pipeline import build_bundle
from recommender.engine.training.warm_start import hold_out_unlearned

ADDED = 0.1  # of the purchases, the latest
RESAMPLES = 1000
HEADINGS = (
    *("seed", "start", "validation NDCG@10", "test NDCG@10", "less cold"),
    *("epochs", "seconds", "of the processor", "by cold"),
)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        tables = datasets.read(options.data)
        rows = [row for seed in range(1, options.seeds + 1) for row in measure(tables, TrainConfig(seed=seed))]
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(rows))
    else:
        _print_table(rows, f"{options.data}: {len(tables):,} purchases, the latest {ADDED:.0%} added")
    return 0


def measure(tables: Tables, config: TrainConfig) -> list[dict[str, Any]]:
    """A row for the live model, which knows nothing of what was added, one for a cold start and one for a warm one."""
    with tempfile.TemporaryDirectory() as folder:
        live, cold, warm = (Path(folder) / name for name in ("live", "cold", "warm"))
        seconds = {"live": _build(_before(tables, 1 - ADDED), live, config)}
        seconds["cold"] = _build(tables, cold, config)
        seconds["warm"] = _build(tables, warm, config, live=live, warm_start=True)
        role = hold_out_unlearned(split(tables, "last-out", config.seed), learned_by(live, tables))
        ndcg = {bundle.name: [_ndcg(bundle, tables, role, of) for of in (VALID, TEST)] for bundle in (live, cold, warm)}
        epochs = {b.name: len(json.loads((b / "report.json").read_text())["curve"]) for b in (live, cold, warm)}
    return [
        {
            "seed": config.seed,
            "start": name,
            "validation_ndcg_10": float(valid.mean()),
            "test_ndcg_10": float(test.mean()),
            "test_less_cold": float((test - ndcg["cold"][1]).mean()),
            "test_less_cold_interval": bootstrap_interval(test - ndcg["cold"][1], RESAMPLES),
            "epochs": epochs[name],
            "seconds": seconds[name][0],
            "processor_seconds": seconds[name][1],
            "processor_seconds_by_cold": seconds[name][1] / seconds["cold"][1],
        }
        for name, (valid, test) in ndcg.items()
    ]


def _build(tables: Tables, out: Path, config: TrainConfig, **options: Any) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    report = build_bundle(tables, out, config=config, split="last-out", **options)
    took = time.perf_counter() - clock, time.process_time() - processor
    ndcg = report.metrics["ndcg_10"]
    print(f"seed {config.seed}, {out.name}: {took[1]:.0f} s, test NDCG@10 {ndcg:.4f} ({report.start})", file=sys.stderr)
    return took


def _before(tables: Tables, share: float) -> Tables:
    """The same shop when this share of its purchases had been made."""
    kept = tables.time <= np.quantile(tables.time, share)
    rows = {name: getattr(tables, name)[kept] for name in ("user", "item", "time", "rating")}
    return replace(tables, **rows, values={name: column[kept] for name, column in tables.values.items()})


def _ndcg(bundle: Path, tables: Tables, role: np.ndarray, of: int) -> np.ndarray:
    """NDCG@10 of a bundle's judged weights, person by person."""
    scorer, data = open_for_comparison(bundle, tables, role)
    return user_metrics(rank_targets(scorer, data, data.cases(of)))["ndcg_10"]


def _print_table(rows: list[dict[str, Any]], title: str) -> None:
    print(f"{title}\n")
    print(f"| {' | '.join(HEADINGS)} |")
    print("|---" * len(HEADINGS) + "|")
    for row in rows:
        low, high = row["test_less_cold_interval"]
        print(
            f"| {row['seed']} | {row['start']} | {row['validation_ndcg_10']:.4f} | {row['test_ndcg_10']:.4f} | "
            f"{row['test_less_cold']:+.4f} ({low:+.4f} to {high:+.4f}) | {row['epochs']} | {row['seconds']:.0f} | "
            f"{row['processor_seconds']:.0f} | {row['processor_seconds_by_cold']:.2f} |"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm_start", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help=f"a folder, or a generated shop: {', '.join(datasets.GENERATED)}")
    parser.add_argument("--seeds", type=int, default=3, help="so many trainings of each kind")
    parser.add_argument("--json", action="store_true", help="print the rows as one JSON list")
    return parser


if __name__ == "__main__":
    sys.exit(main())
