"""Quality beside the peers: one split, one harness, every item not yet bought ranked for everybody.

With --split next-basket each customer's last basket is asked for, and every item ranked, bought before or not.

Each model chooses its settings on VALID, learns again from TRAIN and VALID, and meets TEST once. Choosing and the final
fit run in a process each, so that `seconds` and `peak_mb` are those of one fit of one model and nothing else.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import datasets, splits
from benchmarks.peers import BASKETS, HOME, OURS, TRIALS, Peer, load
from recommender.engine.data.dataset import Cases, TwoTowerDataset
from recommender.engine.data.splits import TEST, TRAIN, VALID, held_out_last, split
from recommender.engine.data.tables import Tables
from recommender.engine.errors import EngineError
from recommender.engine.evaluation.metrics import METRICS, bootstrap_interval, rank_targets, user_metrics

AT_MOST = 10_000  # people measured, a fixed random sample where there are more
RESAMPLES = 1000
RETURNING = {"one": 0.0, "quarter": 0.25}  # share of the customers whose later orders are kept, too
HEADINGS = (
    *("model", "NDCG@10", "interval", "HR@10", "recall@20", "MRR", "coverage"),
    *("seconds", "tuning", "peak MB", "ours minus it"),
)


NEXT_BASKET = "next-basket"


class Task(NamedTuple):
    """What is measured.   peers : as `peers.load` takes them.   ask : the questions of a role, so many at most."""

    peers: Mapping[str, tuple[str, str]]
    ask: Callable[[TwoTowerDataset, int, int], Cases]


NEW_ITEMS, BASKET = Task(HOME, TwoTowerDataset.cases), Task(BASKETS, TwoTowerDataset.next_baskets)


class PeerFailed(EngineError):
    """A peer's process ended without an answer."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        task = BASKET if options.split == NEXT_BASKET else NEW_ITEMS
        names = named(options.models, task.peers)
        overrides = {OURS: [{"config": json.loads(options.config)}]} if options.config else {}
        tables = datasets.read(options.data)
        data = _split(tables, options)
        known = chosen_before(options.settings) if options.settings else {}
        rows = compare(data, names, overrides, known, task)
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(rows))
    else:
        how = options.split if options.orders == "all" else f"orders: {options.orders}"
        users = rows[0]["users"] if rows else 0
        print(f"{options.data}, {how}: {users:,} people held out, {data.n_items:,} items, {len(data):,} purchases\n")
        measured, used = ("hr_10", "recall_20", "mrr", "coverage"), ("seconds", "tuning_seconds", "peak_mb")
        print_table(rows, HEADINGS, measured, used)
    return 0


def _split(tables: Tables, options: argparse.Namespace) -> TwoTowerDataset:
    if options.split == NEXT_BASKET:
        tables, role, _ = held_out_last(tables, splits.last_baskets(tables))
    elif options.orders == "all":
        tables, role, _ = held_out_last(tables, split(tables, options.split, options.seed))
    else:
        tables, role = splits.first_orders(tables, RETURNING[options.orders], options.seed)
    return TwoTowerDataset.build(tables, role)


def compare(
    data: TwoTowerDataset,
    names: list[str],
    grids: dict[str, list[dict[str, Any]]] | None = None,
    known: dict[str, dict[str, Any]] | None = None,
    task: Task = NEW_ITEMS,
) -> list[dict[str, Any]]:
    """A row for each model whose package is installed. grids : settings to try instead of a model's own.
    known : what `choose` gave back for a model before, taken as it is.
    """
    rows, ndcg = [], {}
    for name in names:
        try:
            grid = (grids or {}).get(name)
            chosen = (known or {}).get(name) or in_a_process(
                lambda name=name, grid=grid: choose(name, data, grid, task)
            )
            row = in_a_process(lambda name=name, chosen=chosen: measure(name, data, chosen, task))
        except ImportError as error:
            print(f"{name} is left out: {error}.", file=sys.stderr)
            continue
        ndcg[name] = np.array(row.pop("ndcg_of_each"))
        rows.append(row)
        print(f"{name}: NDCG@10 {row['ndcg_10']:.4f} after {row['seconds']:.1f} s", file=sys.stderr)
    for row in rows:
        row["paired"] = paired(ndcg[OURS] - ndcg[row["model"]]) if OURS in ndcg else None
    return rows


def choose(
    name: str, data: TwoTowerDataset, grid: list[dict[str, Any]] | None = None, task: Task = NEW_ITEMS
) -> dict[str, Any]:
    """The settings, of the model's own few, that serve VALID best after learning from TRAIN."""
    started = time.perf_counter()
    peer = load(name, task.peers)
    grid = peer.grid(data)[:TRIALS] if grid is None else grid
    cases = task.ask(data, VALID, AT_MOST)
    best, decided = -1.0, grid[0]
    for number, settings in enumerate(grid, 1):
        model = peer(**settings)
        model.fit(data)
        ndcg = float(user_metrics(rank_targets(model, data, cases))["ndcg_10"].mean()) if len(cases) else 0.0
        if ndcg > best:
            best, decided = ndcg, model.decided
        if len(grid) > 1:
            print(f"{name}: {number} of {len(grid)} settings, validation NDCG@10 {ndcg:.4f}", file=sys.stderr)
    return {"decided": decided, "trials": len(grid), "tuning_seconds": time.perf_counter() - started, "valid": best}


def measure(name: str, data: TwoTowerDataset, chosen: dict[str, Any], task: Task = NEW_ITEMS) -> dict[str, Any]:
    """The row of a model that learned from TRAIN and VALID with the chosen settings."""
    role = np.where(data.role == VALID, TRAIN, data.role).astype(np.int8)
    known = data.with_role(role)
    model: Peer = load(name, task.peers)(**chosen["decided"])
    started = time.perf_counter()
    model.fit(known)
    seconds = time.perf_counter() - started
    cases = task.ask(known, TEST, AT_MOST)
    if not len(cases):
        raise EngineError("Nobody is held out for the test: there is nothing to measure.")
    shown = np.zeros(known.n_items, dtype=np.int64)
    metrics = user_metrics(rank_targets(model, known, cases, shown=shown))
    return {
        "model": name,
        **{metric: float(metrics[metric].mean()) for metric in METRICS},
        "ndcg_10_interval": list(bootstrap_interval(metrics["ndcg_10"], RESAMPLES)),
        "coverage": float((shown > 0).mean()),
        "seconds": seconds,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "users": len(cases),
        "settings": chosen["decided"],
        "trials": chosen["trials"],
        "tuning_seconds": chosen["tuning_seconds"],
        "validation_ndcg_10": chosen["valid"],
        "ndcg_of_each": metrics["ndcg_10"].tolist(),
    }


def in_a_process(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` gives back, done in a forked process; its ImportError and EngineError are raised here again."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def answer() -> None:
        receiver.close()
        try:
            told = {"done": work()}
        except ImportError as error:
            told = {"missing": str(error)}
        except EngineError as error:
            told = {"refused": str(error)}
        sender.send_bytes(json.dumps(told).encode())

    process = context.Process(target=answer)
    process.start()
    sender.close()
    try:
        told = json.loads(receiver.recv_bytes())
    except EOFError:
        process.join()
        raise PeerFailed(f"A model's process ended with code {process.exitcode} and no answer; see above.") from None
    process.join()
    if "missing" in told:
        raise ImportError(told["missing"])
    if "refused" in told:
        raise EngineError(told["refused"])
    return told["done"]


def paired(difference: np.ndarray) -> dict[str, float]:
    """Ours minus a model's NDCG@10, over the same people."""
    low, high = bootstrap_interval(difference, RESAMPLES)
    return {"difference": float(difference.mean()), "low": low, "high": high}


def chosen_before(path: Path) -> dict[str, dict[str, Any]]:
    """What the peers chose in an earlier run, from its JSON. Ours chooses anew: it is what changes between runs."""
    return {
        row["model"]: {
            "decided": row["settings"],
            "trials": row["trials"],
            "tuning_seconds": row["tuning_seconds"],
            "valid": row["validation_ndcg_10"],
        }
        for row in json.loads(path.read_text(encoding="utf-8"))
        if row["model"] != OURS
    }


def named(models: str | None, known: Collection[str]) -> list[str]:
    """The models of an option, all where it is not given. Raises EngineError for one that nobody knows."""
    names = list(known) if models is None else [name.strip() for name in models.split(",")]
    for name in names:
        if name not in known:
            raise EngineError(f"There is no model {name!r}; there are {', '.join(known)}.")
    return names


def print_table(
    rows: list[dict[str, Any]], headings: Sequence[str], measured: Sequence[str], used: Sequence[str]
) -> None:
    """measured : keys of metrics, beside NDCG@10.   used : keys of seconds and megabytes."""
    print(f"| {' | '.join(headings)} |")
    print("|---" * len(headings) + "|")
    for row in rows:
        pair, (low, high) = row["paired"], row["ndcg_10_interval"]
        ahead = "" if pair is None else f"{pair['difference']:+.4f} ({pair['low']:+.4f} to {pair['high']:+.4f})"
        cells = (
            row["model"],
            f"{row['ndcg_10']:.4f}",
            f"{low:.4f} to {high:.4f}",
            *(f"{row[key]:.3f}" for key in measured),
            *(f"{row[key]:.{int(key == 'seconds')}f}" for key in used),
            "" if row["model"] == OURS else ahead,
        )
        print(f"| {' | '.join(cells)} |")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help=f"a folder, or a generated shop: {', '.join(datasets.GENERATED)}")
    parser.add_argument("--split", choices=("last-out", "date", NEXT_BASKET), default="last-out")
    parser.add_argument(
        "--orders",
        choices=("all", *RETURNING),
        default="all",
        help="one: each customer's first order of four items or more, one of them held out; "
        "quarter: the same, and later orders of a quarter of the customers, the last one held out; without --split",
    )
    parser.add_argument("--models", help=f"some of {','.join(HOME)}, separated by commas")
    parser.add_argument("--config", help="settings of ours other than the defaults, as JSON")
    parser.add_argument("--settings", type=Path, help="JSON of an earlier run, whose settings the peers take over")
    parser.add_argument("--seed", type=int, default=1, help="of the split")
    parser.add_argument("--json", action="store_true", help="print the rows as one JSON list")
    return parser


if __name__ == "__main__":
    sys.exit(main())
