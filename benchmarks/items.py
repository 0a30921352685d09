"""What goes with an item: the last item that somebody bought is the question, and what they bought next is to be found.

Nothing else is known of them, but that what they bought before is not listed. Every other item is ranked. Settings are
chosen on VALID, each model learns again from TRAIN and VALID, and meets TEST once, as in `benchmarks.quality`.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.peers import ITEMS, OURS, TRIALS, load
from benchmarks.quality import AT_MOST, RESAMPLES, in_a_process, named, paired, print_table
from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.splits import TEST, TRAIN, VALID, held_out_last, split
from recommender.engine.errors import EngineError
from recommender.engine.evaluation.metrics import METRICS, bootstrap_interval, rank_targets, user_metrics

LISTED = 10  # items of a list, for the share of lists that one item stands in
QUESTIONS = 3000  # items whose lists are made for that, a fixed random sample where there are more
HEADINGS = (
    *("model", "NDCG@10", "interval", "HR@10", "recall@20", "MRR", "coverage", "most listed"),
    *("seconds", "peak MB", "ours minus it"),
)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        names = named(options.models, ITEMS)
        tables = datasets.read(options.data)
        tables, role, _ = held_out_last(tables, split(tables, "last-out", options.seed))
        rows = compare(TwoTowerDataset.build(tables, role), names)
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(rows))
    else:
        users = rows[0]["users"] if rows else 0
        print(f"{options.data}: {users:,} people, each known by the last item that they bought\n")
        measured = ("hr_10", "recall_20", "mrr", "coverage", "most_listed")
        print_table(rows, HEADINGS, measured, ("seconds", "peak_mb"))
    return 0


def compare(data: TwoTowerDataset, names: list[str]) -> list[dict[str, Any]]:
    """A row for each model."""
    rows, ndcg, chosen = [], {}, {}
    for name in names:
        alike = OURS if name == "item_vectors" else name  # the same training, asked in another way
        if alike not in chosen:
            chosen[alike] = in_a_process(lambda name=alike: choose(name, data))
        row = in_a_process(lambda name=name, settings=chosen[alike]["decided"]: measure(name, data, settings))
        ndcg[name] = np.array(row.pop("ndcg_of_each"))
        rows.append(row)
        print(f"{name}: NDCG@10 {row['ndcg_10']:.4f} after {row['seconds']:.1f} s", file=sys.stderr)
    for row in rows:
        row["paired"] = paired(ndcg[OURS] - ndcg[row["model"]]) if OURS in ndcg else None
    return rows


def questions(data: TwoTowerDataset, role: int) -> Cases:
    """The held-out purchases of those of whom a purchase is known: their last known item is the question."""
    cases = data.cases(role, AT_MOST)
    return cases[cases.lengths(data) > 0]


def choose(name: str, data: TwoTowerDataset) -> dict[str, Any]:
    """The settings, of the model's own few, that serve VALID best after learning from TRAIN."""
    peer = load(name, ITEMS)
    cases, best, decided = questions(data, VALID), -1.0, {}
    for settings in peer.grid(data)[:TRIALS]:
        model = peer(**settings)
        model.fit(data)
        ndcg = float(user_metrics(rank_targets(model, data, cases))["ndcg_10"].mean()) if len(cases) else 0.0
        if ndcg > best:
            best, decided = ndcg, model.decided
    return {"decided": decided, "valid": best}


def measure(name: str, data: TwoTowerDataset, settings: dict[str, Any]) -> dict[str, Any]:
    """The row of a model that learned from TRAIN and VALID with these settings."""
    known = data.with_role(np.where(data.role == VALID, TRAIN, data.role).astype(np.int8))
    model = load(name, ITEMS)(**settings)
    started = time.perf_counter()
    model.fit(known)
    seconds = time.perf_counter() - started
    cases = questions(known, TEST)
    if not len(cases):
        raise EngineError("Nobody with an earlier purchase is held out for the test: there is nothing to measure.")
    metrics = user_metrics(rank_targets(model, known, cases))
    lists, shown = lists_of(model, known.n_items)
    return {
        "model": name,
        **{metric: float(metrics[metric].mean()) for metric in METRICS},
        "ndcg_10_interval": list(bootstrap_interval(metrics["ndcg_10"], RESAMPLES)),
        "coverage": float((shown > 0).mean()),
        "most_listed": float(shown.max() / lists),
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "users": len(cases),
        "settings": settings,
        "ndcg_of_each": metrics["ndcg_10"].tolist(),
    }


def lists_of(model: Any, n_items: int) -> tuple[int, np.ndarray]:
    """How many lists were made, and in how many of them each item stands: what shows hubs."""
    rng = np.random.default_rng(0)
    asked = np.arange(n_items) if n_items <= QUESTIONS else np.sort(rng.choice(n_items, QUESTIONS, replace=False))
    shown = np.zeros(n_items, dtype=np.int64)
    for part in np.array_split(asked, len(asked) // 256 + 1):
        scores = np.array(model.of(part))
        scores[np.arange(len(part)), part] = -np.inf
        top = np.argpartition(-scores, min(LISTED, n_items) - 1, axis=1)[:, :LISTED]
        shown += np.bincount(top.ravel(), minlength=n_items)
    return len(asked), shown


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.items", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help=f"a folder, or a generated shop: {', '.join(datasets.GENERATED)}")
    parser.add_argument("--models", help=f"some of {','.join(ITEMS)}, separated by commas")
    parser.add_argument("--seed", type=int, default=1, help="of the split")
    parser.add_argument("--json", action="store_true", help="print the rows as one JSON list")
    return parser


if __name__ == "__main__":
    sys.exit(main())
