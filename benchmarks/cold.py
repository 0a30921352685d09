"""The cold ends beside the peers: people known by their profile alone, people with 1 to 5 purchases, new products.

Each part draws several times who or what is held out. Each model chooses its settings on people or products that are
held out for validation in the same way; ours trains as it does in a shop, with no eye on cold ends, and validates on
the last purchases of everybody else. Then all learn again with the validation part and meet the test once.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import datasets, splits
from benchmarks.peers import OURS, WITHOUT_CONTENT, Peer, load
from benchmarks.quality import AT_MOST, RESAMPLES, chosen_before, in_a_process
from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.splits import TEST, TRAIN, VALID
from recommender.engine.data.tables import Tables
from recommender.engine.errors import EngineError
from recommender.engine.evaluation.metrics import bootstrap_interval, ndcg, rank_targets, user_metrics


@dataclass(frozen=True)
class Part:
    """One cold end. metrics : the first is what decides. among_new : ranked among the held-out products alone, too."""

    split: Callable[[Tables, int], np.ndarray]
    models: tuple[str, ...]
    metrics: tuple[str, ...]
    among_new: bool = False


PEOPLE = ("ndcg_10", "ndcg_20", "next_10")
PARTS = {
    "profiles": Part(splits.newcomers, ("popularity", "pair_popularity", "lightfm_warp", OURS), PEOPLE[:2]),
    "few": Part(
        splits.few_events,
        ("popularity", "co_purchase", "ease", "implicit_als", "lightfm_warp", "sasrec", OURS),
        PEOPLE,
    ),
    "products": Part(
        splits.new_products,
        ("random", "category_popularity", "lightfm_warp", OURS, WITHOUT_CONTENT),
        ("recall_20_new", "recall_20"),
        among_new=True,
    ),
}
EITHER = (OURS, WITHOUT_CONTENT)
HEADINGS = ("part", "model", "metric", "mean", "interval", "ours minus it", "least of a draw", "seconds")


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        tables = datasets.read(options.data)
        known = chosen_before(options.settings) if options.settings else {}
        decided = {name: chosen["decided"] for name, chosen in known.items()}
        rows = [
            row
            for part in options.parts.split(",")
            for row in compare(tables, part, range(1, options.draws + 1), options.models, options.config, decided)
        ]
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(rows)) if options.json else _print_table(rows, options.data)
    return 0


def compare(
    tables: Tables,
    name: str,
    seeds: range,
    models: str | None = None,
    config: str | None = None,
    decided: dict[str, dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """A row for each model and metric of a part, over all draws. decided : settings that a peer need not choose."""
    if name not in PARTS:
        raise EngineError(f"There is no part {name!r}; there are {', '.join(PARTS)}.")
    part = PARTS[name]
    answers: dict[str, list[dict[str, Any]]] = {}
    for seed in seeds:
        role, known = part.split(tables, seed), dict(decided or {})
        for model in part.models if models is None else models.split(","):
            settings = {"config": json.loads(config)} if config and model in EITHER else {}
            try:
                answer = in_a_process(partial(measure, tables, role, part, model, settings, known.get(model)))
            except ImportError as error:
                print(f"{model} is left out: {error}.", file=sys.stderr)
                continue
            answers.setdefault(model, []).append(answer)
            if model == OURS:  # training does not read content: both choose the same
                known[WITHOUT_CONTENT] = answer["settings"]
            said = ", ".join(f"{metric} {np.mean(answer[metric]):.4f}" for metric in part.metrics)
            print(f"{name}, draw {seed}, {model}: {said}, {answer['settings']}", file=sys.stderr)
    return [_row(name, model, metric, answers) for metric in part.metrics for model in answers]


def measure(
    tables: Tables,
    role: np.ndarray,
    part: Part,
    name: str,
    settings: dict[str, Any],
    decided: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Each metric of each test person, of a model that learned from all but the test."""
    started = time.perf_counter()
    if decided is None:
        data = splits.known_first(tables, splits.for_our_training(tables, role) if name in EITHER else role)
        decided = _decide(part, data, name, [settings] if settings else load(name).grid(data))
    data = splits.known_first(tables, np.where(role == VALID, TRAIN, role).astype(np.int8))
    model = load(name)(**decided)
    model.fit(data)
    seconds = time.perf_counter() - started
    found = _measured(part, data, TEST, model)
    return {**{metric: values.tolist() for metric, values in found.items()}, "settings": decided, "seconds": seconds}


def _decide(part: Part, data: TwoTowerDataset, name: str, grid: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings that serve VALID best by the metric that decides the part."""
    best, decided = -1.0, grid[0]
    for settings in grid:
        model = load(name)(**settings)
        model.fit(data)
        if len(grid) == 1:
            return model.decided
        found = float(_measured(part, data, VALID, model)[part.metrics[0]].mean())
        if found > best:
            best, decided = found, model.decided
    return decided


def _measured(part: Part, data: TwoTowerDataset, role: int, model: Peer) -> dict[str, np.ndarray]:
    """float64 [people] of each of the part's metrics."""
    cases = data.cases(role, AT_MOST)
    if not len(cases):
        raise EngineError("Nothing is held out there: there is nothing to measure.")
    if part.among_new:
        model = _Untied(model)
    ranks = rank_targets(model, data, cases)
    found = {"ndcg_10": ndcg(ranks, 10), "ndcg_20": ndcg(ranks, 20), "recall_20": user_metrics(ranks)["recall_20"]}
    next_ones = zip(ranks, cases.targets, data.item[cases.rows], strict=True)
    found["next_10"] = ndcg([r[targets == item] for r, targets, item in next_ones], 10)
    if part.among_new:
        new = np.zeros(data.n_items, dtype=bool)
        new[data.item[data.role == role]] = True
        found["recall_20_new"] = user_metrics(rank_targets(_Among(model, new), data, cases))["recall_20"]
    return {metric: found[metric] for metric in part.metrics}


@dataclass(frozen=True)
class _Untied:
    """A model whose ties are broken by chance: new products of the same features are the same to all of them, and ties
    would count against whoever does not toss a coin."""

    model: Peer

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        scores = np.asarray(self.model.scores(data, cases), dtype=np.float64)
        # Another order for everybody, always the same one: the rows of a case are its own seed.
        chance = np.stack([np.random.default_rng(row).random(data.n_items) for row in cases.rows])
        return scores + 1e-6 * chance * np.abs(scores).max(1, keepdims=True)


@dataclass(frozen=True)
class _Among:
    """A model whose lists hold some products only. which : bool [items]."""

    model: Peer
    which: np.ndarray

    def scores(self, data: TwoTowerDataset, cases: Cases) -> np.ndarray:
        return np.where(self.which, self.model.scores(data, cases), -np.inf)


def _row(part: str, model: str, metric: str, answers: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    drawn = [np.array(answer[metric]) for answer in answers[model]]
    row: dict[str, Any] = {
        "part": part,
        "model": model,
        "metric": metric,
        "mean": float(np.mean([of_draw.mean() for of_draw in drawn])),
        "interval": list(bootstrap_interval(np.concatenate(drawn), RESAMPLES)),
        "people": int(sum(map(len, drawn))),
        "paired": None,
        "seconds": float(np.mean([answer["seconds"] for answer in answers[model]])),
        "settings": [answer["settings"] for answer in answers[model]],
    }
    if model != OURS and OURS in answers:
        differences = [np.array(a[metric]) - d for a, d in zip(answers[OURS], drawn, strict=True)]
        low, high = bootstrap_interval(np.concatenate(differences), RESAMPLES)
        each = [float(d.mean()) for d in differences]
        row["paired"] = {"difference": float(np.mean(each)), "low": low, "high": high, "of_each_draw": each}
    return row


def _print_table(rows: list[dict[str, Any]], title: str) -> None:
    print(title)
    print()
    print(f"| {' | '.join(HEADINGS)} |")
    print("|---" * len(HEADINGS) + "|")
    for row in rows:
        low, high = row["interval"]
        pair = row["paired"]
        cells = (
            row["part"],
            row["model"],
            row["metric"],
            f"{row['mean']:.4f}",
            f"{low:.4f} to {high:.4f}",
            f"{pair['difference']:+.4f} ({pair['low']:+.4f} to {pair['high']:+.4f})" if pair else "",
            f"{min(pair['of_each_draw']):+.4f}" if pair else "",
            f"{row['seconds']:.0f}",
        )
        print(f"| {' | '.join(cells)} |")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help=f"a folder, or a generated shop: {', '.join(datasets.GENERATED)}")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}, separated by commas")
    parser.add_argument("--models", help="some of the models of the part, separated by commas")
    parser.add_argument("--config", help="settings of ours other than the defaults, as JSON")
    parser.add_argument("--settings", type=Path, help="JSON of benchmarks.quality, whose settings the peers take over")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print the rows as one JSON list")
    return parser


if __name__ == "__main__":
    sys.exit(main())
