"""What training costs: beside the best peer without a sequence, phase by phase, and as a shop grows.

`passing` sets our seconds beside the peer's, twice: with everything still to be chosen (ours: until a validation shows
that the peer is passed; the peer: a fit for each of its settings), and with everything chosen (ours: the closed forms
and as many epochs as it takes to pass; the peer: one fit). Where no epoch is needed, also of ours what makes the list
alone: the linear path, without what serves bare profiles and ratings, which no peer here does. `phases` says where our
time goes, `operators` what an epoch does with it, `growth` what the whole training costs at several sizes of a
generated shop.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.peers import load
from benchmarks.quality import choose, in_a_process
from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import TRAIN, split
from recommender.engine.errors import EngineError
from recommender.engine.model.linear import LinearPath

PEERS = ("ease", "implicit_als")
FITS = 3  # of the peer; the median counts
SIZES = (10_000, 100_000, 1_000_000)
PHASES = {  # functions of the engine, by the phase that each is
    "linear path": "choose_linear_path",
    "profile path": "choose_profile_path",
    "epochs": "epoch",
    "validation": "_validate",
    "weights of a list": "choose_list_weights",
    "ratings": "choose_rating_path",
}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        config = TrainConfig.from_dict(json.loads(options.config))
        tables = datasets.read(options.data)
        data = TwoTowerDataset.build(tables, split(tables, "last-out", 1))
        peer = best_peer(data)
        found = {
            "data": options.data,
            "purchases": len(data),
            "passing": in_a_process(lambda: passing(data, config, peer)),
            "phases": in_a_process(lambda: phases(data, config)),
            "operators": in_a_process(lambda: {"first": operators(data, config)})["first"],
            "growth": [in_a_process(lambda size=size: cost(size, config)) for size in options.sizes],
        }
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found)) if options.json else _print_tables(found)
    return 0


def best_peer(data: TwoTowerDataset) -> dict[str, Any]:
    """The peer without a sequence that serves validation best: its name, settings, quality and seconds."""
    found = []
    for name in PEERS:
        try:
            found.append({"name": name, **in_a_process(lambda name=name: _timed_peer(name, data))})
        except ImportError as error:
            print(f"{name} is left out: {error}.", file=sys.stderr)
    return max(found, key=lambda peer: peer["valid"])


def _timed_peer(name: str, data: TwoTowerDataset) -> dict[str, Any]:
    chosen = choose(name, data)
    return {**chosen, "seconds": _seconds(lambda: load(name)(**chosen["decided"]).fit(data))}


def _seconds(work: Callable[[], object]) -> float:
    """What it takes, the median of a few times."""
    taken = []
    for _ in range(FITS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def passing(data: TwoTowerDataset, config: TrainConfig, peer: dict[str, Any]) -> dict[str, Any]:
    """Our seconds until the peer's validation NDCG@10 is passed, beside the peer's. None where it is not passed."""
    from recommender.engine.training.trainer import train_two_tower_model

    started = time.perf_counter()
    at_start: list[float] = []  # when the first batch is about to begin, the closed forms have been validated
    after_epochs: list[float] = []

    def clock() -> bool:
        if not at_start:
            at_start.append(time.perf_counter() - started)
        return False

    judged = train_two_tower_model(
        data, config, should_stop=clock, on_epoch=lambda _: after_epochs.append(time.perf_counter() - started)
    )
    curve = [judged.start, *(entry["ndcg_10"] for entry in judged.curve)]
    when = [*at_start, *after_epochs]
    passed = next((k for k, ndcg in enumerate(curve) if ndcg > peer["valid"]), None)
    row: dict[str, Any] = {
        "peer": peer["name"],
        "peer_settings": peer["decided"],
        "peer_validation": peer["valid"],
        "peer_seconds": peer["seconds"],
        "peer_tuning_seconds": peer["tuning_seconds"],
        "validation": max(curve),
        "validation_when_passed": None if passed is None else curve[passed],
        "epochs": passed,
        "choosing_seconds": None if passed is None else when[passed],
        "seconds": None,
        "path_seconds": None,
    }
    if passed == 0:
        row["path_seconds"] = _seconds(lambda: LinearPath.fit(data, config.dim, judged.linear))
        row["path_ratio"] = row["path_seconds"] / peer["seconds"]
    if passed is not None:
        # An epoch after which training began again, slower, took its time but is not among those to repeat.
        begun_again = bool(judged.rates) and judged.rates[0] < config.learning_rate
        rates = judged.rates[: max(passed - begun_again, 0)]
        again = time.perf_counter()
        train_two_tower_model(data, replace(config, repeat_up_to=len(data)), like=replace(judged, rates=rates))
        row["seconds"] = time.perf_counter() - again
        row["ratio"] = row["seconds"] / peer["seconds"]
        row["choosing_ratio"] = row["choosing_seconds"] / peer["tuning_seconds"]
    return row


def phases(data: TwoTowerDataset, config: TrainConfig) -> dict[str, Any]:
    """Seconds of each phase of one training with early stopping, and of the refit on everything."""
    from recommender.engine.training.trainer import train_two_tower_model

    profile = cProfile.Profile()
    started = time.perf_counter()
    judged = profile.runcall(train_two_tower_model, data, config)
    whole = time.perf_counter() - started
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    of_function: dict[str, float] = {}
    for (file, _, function), (_, _, _, cumulative, _) in stats.items():
        if "/recommender/engine/" in file:
            of_function[function] = of_function.get(function, 0.0) + cumulative
    seconds = {phase: of_function.get(function, 0.0) for phase, function in PHASES.items()}
    seconds["the rest"] = whole - sum(seconds.values())
    started = time.perf_counter()
    train_two_tower_model(data.with_role(np.full(len(data), TRAIN, np.int8)), config, like=judged)
    seconds["refit on everything"] = time.perf_counter() - started
    return {"seconds": seconds, "epochs": len(judged.curve)}


def operators(data: TwoTowerDataset, config: TrainConfig, most: int = 12) -> list[dict[str, Any]]:
    """What torch did in one epoch and its validation: operators by their own seconds."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as torch_profile

    from recommender.engine.training.trainer import train_two_tower_model

    with torch_profile(activities=[ProfilerActivity.CPU]) as found:
        train_two_tower_model(data, replace(config, epochs=1))
    averages = sorted(found.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in averages)
    return [
        {
            "operator": event.key,
            "calls": event.count,
            "seconds": event.self_cpu_time_total / 1e6,
            "share": event.self_cpu_time_total / whole,
        }
        for event in averages[:most]
    ]


def cost(purchases: int, config: TrainConfig) -> dict[str, Any]:
    """Seconds and memory of a whole training, early stopping and refit, on a generated shop."""
    from recommender.engine.training.trainer import train_two_tower_model

    tables = datasets.shop(purchases)
    data = TwoTowerDataset.build(tables, split(tables, "last-out", 1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    judged = train_two_tower_model(data, config)
    trained = time.perf_counter()
    train_two_tower_model(data.with_role(np.full(len(data), TRAIN, np.int8)), config, like=judged)
    print(f"{purchases:,} purchases: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return {
        "purchases": purchases,
        "items": data.n_items,
        "seconds": time.perf_counter() - started,
        "training": trained - started,
        "refit": time.perf_counter() - trained,
        "epochs": len(judged.curve),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "data_mb": before / 1024,
        "start": judged.start,
        "validation": max([judged.start, *(entry["ndcg_10"] for entry in judged.curve)]),
    }


def _print_tables(found: dict[str, Any]) -> None:
    row = found["passing"]
    print(f"{found['data']}: {found['purchases']:,} purchases")
    print()
    print(f"The best peer without a sequence is {row['peer']}, validation NDCG@10 {row['peer_validation']:.4f}.")
    if row["epochs"] is None:
        print(f"Ours does not pass it: {row['validation']:.4f}.")
    else:
        print(f"Ours passes it after {row['epochs']} epochs, with {row['validation_when_passed']:.4f}.")
        rows: list[tuple[Any, ...]] = [
            ("with everything chosen", row["seconds"], row["peer_seconds"], row["ratio"]),
            ("choosing", row["choosing_seconds"], row["peer_tuning_seconds"], row["choosing_ratio"]),
        ]
        if row["path_seconds"] is not None:
            rows.insert(1, ("of that, the list alone", row["path_seconds"], row["peer_seconds"], row["path_ratio"]))
        _table(("seconds", "ours", row["peer"], "ratio"), rows)
    of_phase = found["phases"]["seconds"]
    _table(("phase", "seconds"), list(of_phase.items()))
    _table(
        ("torch, one epoch and its validation", "calls", "seconds", "share"),
        [(o["operator"], o["calls"], o["seconds"], o["share"]) for o in found["operators"]],
    )
    growth = found["growth"]
    powers = [None, *(_power(a, b) for a, b in pairwise(growth))]
    _table(
        ("purchases", "items", "seconds", "training", "refit", "epochs", "peak MB", "grows as purchases^"),
        [
            (g["purchases"], g["items"], g["seconds"], g["training"], g["refit"], g["epochs"], round(g["peak_mb"]), p)
            for g, p in zip(growth, powers, strict=True)
        ],
    )


def _power(a: dict[str, Any], b: dict[str, Any]) -> float:
    return float(np.log(b["seconds"] / a["seconds"]) / np.log(b["purchases"] / a["purchases"]))


def _table(headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    print()
    print(f"| {' | '.join(headings)} |")
    print("|---" * len(headings) + "|")
    for row in rows:
        cells = (
            "" if c is None else f"{c:,.2f}" if isinstance(c, float) else f"{c:,}" if isinstance(c, int) else c
            for c in row
        )
        print(f"| {' | '.join(cells)} |")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="shop", help=f"a folder, or one of {', '.join(datasets.GENERATED)}")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=SIZES, help="purchases of the generated shops that grow"
    )
    parser.add_argument("--config", default="{}", help="settings of ours other than the defaults, as JSON")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
