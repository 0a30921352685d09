"""Exact top-k of large catalogs beside one bare matrix product and faiss Flat, and lists for many users at once.

What is compared runs in turns in one process, and a ratio is the median over the turns: other work on the same machine
slows both sides alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import onnxruntime as ort
import pandas as pd
from threadpoolctl import threadpool_limits

from recommender.engine.bundle.manifest import new_bundle, write_manifest
from recommender.engine.bundle.retrieval import Index
from recommender.engine.bundle.standalone import USERS_AT_ONCE, StandaloneRecommender
from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.tables import from_frame

CONFIG = TrainConfig()
WIDTH = CONFIG.dim + CONFIG.profile_rank + 1  # of a ranking vector
TOP = 100
EXCLUDED = 200  # items that somebody bought
FILTERED = 0.5  # share of the catalog that a filter leaves
BATCH_ITEMS, BATCH_TOP = 10_000, 10

Seconds = dict[str, list[float]]


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    found: dict[str, Any] = {"cores": os.cpu_count(), "width": WIDTH}
    with threadpool_limits(1):  # as in a web process, where each request has a thread
        faiss.omp_set_num_threads(1)
        found["top_k"] = [top_k(n, options.turns) for n in options.items]
    with tempfile.TemporaryDirectory() as folder:
        bundle = untrained_bundle(Path(folder) / "bundle", options.users)
        found["batch"] = batch(bundle, options.turns)
        found["tower"] = tower_profile(bundle)
        found["stream"] = stream(bundle, options.stream)
    if options.json:
        print(json.dumps(found))
    else:
        _print_tables(found)
    return 0


# --- one question, a large catalog ------------------------------------------------------------------------------------


def top_k(n: int, turns: int) -> dict[str, float]:
    """Milliseconds for one person's best 100 of n items, and the median ratio of ours to the bare product."""
    rng = np.random.default_rng(n)
    vectors = rng.standard_normal((n, WIDTH), dtype=np.float32)
    users = rng.standard_normal((turns, 1, WIDTH), dtype=np.float32)
    mask, bought = rng.random(n) < FILTERED, [rng.integers(0, n, EXCLUDED)]
    index, flat = Index(vectors), faiss.IndexFlatIP(WIDTH)
    flat.add(vectors)
    _check(index, flat, users[0])
    seconds, _ = in_turns(
        {
            "product": lambda turn: users[turn] @ vectors.T,
            "ours": lambda turn: index.top_k(users[turn], TOP),
            "ours_masked": lambda turn: index.top_k(users[turn], TOP, mask=mask, exclude=bought),
            "faiss": lambda turn: flat.search(users[turn], TOP),
        },
        turns,
    )
    milliseconds = {f"{name}_ms": 1e3 * statistics.median(times) for name, times in seconds.items()}
    ratios = {
        f"{name}_to_product": ratio(seconds[name], seconds["product"]) for name in ("ours", "ours_masked", "faiss")
    }
    return {"items": n, **milliseconds, **ratios}


def _check(index: Index, flat: Any, user: np.ndarray) -> None:
    """What is fast and wrong is not worth measuring."""
    ours, theirs = index.top_k(user, TOP)[0], flat.search(user, TOP)[1]
    if set(ours[0].tolist()) != set(theirs[0].tolist()):
        raise SystemExit("error: ours and faiss Flat do not list the same items.")


# --- many users -------------------------------------------------------------------------------------------------------


def untrained_bundle(out: Path, users: int) -> Path:
    """A bundle of the sizes that training gives, with random weights: they take as long as learned ones.

    Histories are as long-tailed as a shop's: half of the users have 10 purchases or fewer, one in fifty 100 or more.
    """
    import torch

    from recommender.engine.model.towers import TowerSizes, TwoTowerHybrid
    from recommender.engine.training.writing import save_model

    rng = np.random.default_rng(0)
    bought = np.minimum(np.exp(rng.normal(np.log(10), 1.12, users)).astype(int) + 1, 300)
    n = int(bought.sum())
    frame = pd.DataFrame(
        {
            "user": np.repeat(np.arange(users), bought),
            "item": np.concatenate([np.arange(BATCH_ITEMS), rng.integers(0, BATCH_ITEMS, n - BATCH_ITEMS)]),
            "time": rng.random(n) * 3e7,
            "rating": np.where(rng.random(n) < 0.5, np.nan, rng.integers(1, 6, n)),
            "gender": np.repeat(rng.choice(["F", "M", ""], users), bought),
            "country": np.repeat(rng.choice(["UK", "France", "Chile"], users), bought),
            "age": np.repeat(rng.integers(18, 80, users), bought),
        }
    )
    frame["category"] = frame["item"] % 50
    features = {"user_categorical": ["gender", "country"], "user_numerical": ["age"], "item_categorical": ["category"]}
    data = TwoTowerDataset.build(from_frame(frame, user="user", item="item", time="time", rating="rating", **features))
    torch.manual_seed(0)
    model = TwoTowerHybrid(TowerSizes.of(data, CONFIG.dim), CONFIG)
    for parameter in model.parameters():  # zeros, as training starts from, would give everybody one list of equals
        torch.nn.init.normal_(parameter, std=0.1)
    torch.nn.init.ones_(model.users.rate_precision)
    with new_bundle(out) as folder:
        save_model(model, data, folder)
        write_manifest(folder)
    return out


def batch(bundle: Path, turns: int) -> dict[str, float]:
    """Users a second on every core, at 10,000 items: what a list takes by parts, and the whole.

    wall : by the clock, with whatever else the machine does.   cpu : by the processor's time, for all cores together.
    """
    recommender = StandaloneRecommender.from_bundle(bundle)
    cores = os.cpu_count() or 1
    keys = recommender.user_keys[: USERS_AT_ONCE * cores]
    rows = np.arange(len(keys))
    vectors = recommender.vectors(rows).rank
    bought = [recommender._bought(row) for row in rows]
    parts = [slice(start, start + USERS_AT_ONCE) for start in range(0, len(keys), USERS_AT_ONCE)]
    index, available = recommender._index, recommender._available
    with threadpool_limits(1), ThreadPoolExecutor(cores) as pool:
        work: dict[str, Callable[[], Any]] = {
            "scoring_and_top_k": lambda: list(pool.map(score, parts)),
            "user_tower": lambda: list(pool.map(lambda part: recommender.vectors(rows[part]), parts)),
            "lists": lambda: [lists.columns() for lists in recommender.stream(keys, BATCH_TOP)],
        }

        def score(part: slice) -> None:
            index.top_k(vectors[part], BATCH_TOP, mask=available, exclude=bought[part])

        wall, cpu = in_turns({name: lambda _turn, piece=piece: piece() for name, piece in work.items()}, turns)
    tower, scoring = statistics.median(cpu["user_tower"]), statistics.median(cpu["scoring_and_top_k"])
    return {
        "items": BATCH_ITEMS,
        "users": len(keys),
        **{f"{name}_wall": len(keys) / statistics.median(seconds) for name, seconds in wall.items()},
        **{f"{name}_cpu": cores * len(keys) / statistics.median(seconds) for name, seconds in cpu.items()},
        "user_tower_share": tower / (tower + scoring),
    }


def tower_profile(bundle: Path) -> dict[str, float]:
    """The share of each kind of operator in the user tower's time, as onnxruntime counts it."""
    recommender = StandaloneRecommender.from_bundle(bundle)
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_profiling, options.profile_file_prefix = True, f"{folder}/profile"
        tower = ort.InferenceSession(str(bundle / "model" / "user_tower.onnx"), options, ["CPUExecutionProvider"])
        recommender.inference._user_tower = tower
        recommender.vectors(np.arange(USERS_AT_ONCE))
        events = json.loads(Path(tower.end_profiling()).read_text())
    spent: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    return {name: microseconds / spent.total() for name, microseconds in spent.most_common(5)}


def stream(bundle: Path, users: int) -> dict[str, float]:
    """Resident memory while the lists of very many users pass by: after a quarter of them, and after all."""
    recommender = StandaloneRecommender.from_bundle(bundle)
    keys = list(islice(cycle(recommender.user_keys), users))
    done, listed, quarter = 0, 0, None
    for lists in recommender.stream(keys, BATCH_TOP):
        done, listed = done + len(lists), listed + len(lists.columns()["item"])
        if quarter is None and done >= users / 4:
            quarter = resident_mb()
    return {"users": done, "rows": listed, "quarter_mb": quarter or 0.0, "end_mb": resident_mb()}


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


# --- turns and tables -------------------------------------------------------------------------------------------------


def in_turns(work: dict[str, Callable[[int], Any]], turns: int) -> tuple[Seconds, Seconds]:
    """Seconds of each piece of work by the clock and by the processor, in every turn one after the other."""
    wall, cpu = {name: [] for name in work}, {name: [] for name in work}
    for piece in work.values():
        piece(0)
    for turn in range(turns):
        for name, piece in work.items():
            started, spent = time.perf_counter(), time.process_time()
            piece(turn)
            wall[name].append(time.perf_counter() - started)
            cpu[name].append(time.process_time() - spent)
    return wall, cpu


def ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, other, strict=True))


def _print_tables(found: dict[str, Any]) -> None:
    print(f"The best {TOP} of n items ({WIDTH} numbers each), one person, one thread; x: beside the bare product")
    print(f"{'items':>10}{'product':>11}{'ours':>19}{'masked':>19}{'faiss Flat':>19}")
    for row in found["top_k"]:
        cells = "".join(
            f"{row[f'{n}_ms']:>8.2f} ms {row[f'{n}_to_product']:>6.2f} x" for n in ("ours", "ours_masked", "faiss")
        )
        print(f"{row['items']:>10,}{row['product_ms']:>8.2f} ms{cells}")
    row = found["batch"]
    print(f"Users a second, {row['items']:,} items, {found['cores']} cores: by the clock, and by processor time")
    for name in ("scoring_and_top_k", "user_tower", "lists"):
        print(f"{name.replace('_', ' '):<20}{row[f'{name}_wall']:>10,.0f}{row[f'{name}_cpu']:>10,.0f}")
    binds = ", ".join(f"{name} {share:.0%}" for name, share in found["tower"].items())
    print(f"The user tower takes {row['user_tower_share']:.0%} of tower and scoring; within it: {binds}")
    row = found["stream"]
    quarter, end = row["quarter_mb"], row["end_mb"]
    print(f"{row['users']:,} users' lists: {quarter:.0f} MB after a quarter, {end:.0f} MB at the end")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--users", type=int, default=20_000, help="in the bundle that lists are made from")
    parser.add_argument("--stream", type=int, default=200_000, help="users whose lists pass by while memory is watched")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
