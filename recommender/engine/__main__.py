"""The engine's command line: train, recommend, similar and evaluate, on files alone."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq
    from tqdm import tqdm
except ModuleNotFoundError as error:
    sys.exit(f"The engine's commands need {error.name}: pip install 'django-two-towers[train]'")

from recommender.engine.config import INTERACTIONS, LOSSES, TrainConfig
from recommender.engine.data.left_out import LeftOut
from recommender.engine.errors import EngineError
from recommender.engine.files import replacing

if TYPE_CHECKING:
    from recommender.engine.training.pipeline import Progress

LIST_SCHEMA = pa.schema(
    {"user": pa.string(), "item": pa.string(), "rank": pa.int32(), "score": pa.float32(), "rating": pa.float32()}
)


PAIR_SCHEMA = pa.schema({"item": pa.string(), "other": pa.string(), "rank": pa.int32(), "score": pa.float32()})
PAIRS_AT_ONCE = 1000  # items whose neighbours are written together


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def train(options: argparse.Namespace) -> None:
    """Train on a snapshot and write a bundle; the report stands beside popularity."""
    from recommender.engine.data.tables import read_snapshot
    from recommender.engine.training import distributed
    from recommender.engine.training.pipeline import build_bundle, follow_rank_zero
    from recommender.engine.training.warm_start import settings_of

    names = ("loss", "interaction", "epochs", "minutes", "seed")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    plan = {
        "config": TrainConfig(**given) if options.warm_start is None else settings_of(options.warm_start, given),
        "split": options.split,
        "live": options.warm_start,
        "warm_start": options.warm_start is not None,
        "tune": options.tune,
        "work": options.work,
    }
    with distributed.joined():
        tables = read_snapshot(options.data)
        if not distributed.is_rank_zero():
            follow_rank_zero(tables, **plan)
            return
        with _bar() as show:
            report = build_bundle(tables, options.out, progress=show, **plan)
    _print_report(report.to_dict(), options.json, bundle=str(options.out))


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr that says what is being done."""
    with tqdm(total=100, unit="%", file=sys.stderr, bar_format="{l_bar}{bar}| {elapsed}{postfix}") as bar:

        def show(progress: Progress) -> None:
            bar.set_description(progress.phase, refresh=False)
            bar.set_postfix_str(progress.message, refresh=False)
            bar.update(100 * progress.done - bar.n)

        yield show


def evaluate(options: argparse.Namespace) -> None:
    """Measure a bundle on a snapshot, with the weights that have not seen what its own split held out."""
    from recommender.engine.bundle.comparison import open_for_comparison
    from recommender.engine.data.splits import held_out_last, split
    from recommender.engine.data.tables import read_snapshot
    from recommender.engine.evaluation import report

    config = TrainConfig()
    tables = read_snapshot(options.data)
    tables, role, _ = held_out_last(tables, split(tables, options.split, config.seed))
    scorer, data = open_for_comparison(options.bundle, tables, role)
    found = report.evaluate(
        scorer,
        data,
        how=options.split,
        at_most=config.eval_users,
        resamples=config.bootstrap,
        repeats=scorer.repeats,
    )
    _print_report(found.to_dict(), options.json, bundle=str(options.bundle))


def recommend(options: argparse.Namespace) -> None:
    """Write the lists of many users, streamed: a part at a time is in memory."""
    from recommender.engine.bundle.standalone import Purchased, StandaloneRecommender

    recommender = StandaloneRecommender.from_bundle(options.bundle)
    users = recommender.user_keys if options.users == "all" else _read_keys(Path(options.users))
    number, shards = options.shard
    users = users[len(users) * (number - 1) // shards : len(users) * number // shards]
    purchased: Purchased = "only" if options.only_purchased else "included" if options.include_purchased else "excluded"
    listed = 0
    with _written(options.out, LIST_SCHEMA, len(users), "user") as write:
        for lists in recommender.stream(users, options.top_k, purchased):
            columns = lists.columns()
            write(columns, len(lists))
            listed += int((columns["rank"] == 1).sum())
    known = set(recommender.user_keys)
    of_nobody = "nothing, for nothing is known of what they bought" if purchased == "only" else "the list of a newcomer"
    _say_unknown("users", [key for key in users if key not in known], f"get {of_nobody}")
    if purchased != "excluded" and recommender.inference.repeats is None:
        print(
            "This bundle does not know what is bought again: hardly anybody bought anything twice, or it was trained "
            "before that was learned. " + ("Nothing is due." if purchased == "only" else "No purchase is put first."),
            file=sys.stderr,
        )
    print(f"{listed:,} lists of {len(users):,} users in {options.out}")


def similar(options: argparse.Namespace) -> None:
    """Write which items go with each of many items, streamed."""
    from recommender.engine.bundle.standalone import StandaloneRecommender

    recommender = StandaloneRecommender.from_bundle(options.bundle)
    items = recommender.inference.item_keys
    if options.items != "all":
        wanted, known = _read_keys(Path(options.items)), set(items)
        items = [key for key in wanted if key in known]
        if wanted and not items:
            raise EngineError(f"The model knows none of the {len(wanted):,} items of {options.items}.")
        _say_unknown("items", [key for key in wanted if key not in known], "are left out")
    with _written(options.out, PAIR_SCHEMA, len(items), "item") as write:
        for start in range(0, len(items), PAIRS_AT_ONCE):
            part = items[start : start + PAIRS_AT_ONCE]
            lists = [recommender.similar(item, options.top_k) for item in part]
            others = [other for listed in lists for other in listed]
            columns = {
                "item": np.repeat(part, [len(listed) for listed in lists]),
                "other": [other.item for other in others],
                "rank": [rank for listed in lists for rank in range(1, len(listed) + 1)],
                "score": [other.score for other in others],
            }
            write(columns, len(part))
    print(f"{len(items):,} items with what goes with them in {options.out}")


@contextmanager
def _written(out: Path, schema: pa.Schema, total: int, unit: str) -> Iterator[Callable[[Mapping[str, Any], int], None]]:
    """Writes a part after the other, columns by name, to a .parquet or .csv file, which is there when all are."""
    if out.suffix not in (".parquet", ".csv"):
        raise EngineError(f"{out} ends in {out.suffix!r}; lists are written as .parquet or .csv.")
    writer_of: Any = pq.ParquetWriter if out.suffix == ".parquet" else pyarrow.csv.CSVWriter
    with (
        replacing(out) as path,
        writer_of(path, schema) as writer,
        tqdm(total=total, unit=unit, file=sys.stderr) as bar,
    ):

        def write(columns: Mapping[str, Any], n: int) -> None:
            # from_pandas: nan is written as null.
            arrays = [pa.array(columns[field.name], field.type, from_pandas=True) for field in schema]
            writer.write_table(pa.table(arrays, schema=schema))
            bar.update(n)

        yield write


def _say_unknown(things: str, keys: list[str], what: str) -> None:
    """Say on stderr which of what was asked for the model does not know, if any, and what becomes of it."""
    if keys:
        named = ", ".join(keys[:5]) + (", ..." if len(keys) > 5 else "")
        print(f"{len(keys):,} {things} that the model does not know {what}: {named}", file=sys.stderr)


def _shard(text: str) -> tuple[int, int]:
    """I/N, the I-th of N parts, from 1."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part such as 1/4, the first of four")
    return int(number), int(of)


def _read_keys(path: Path) -> list[str]:
    """Keys from a text file (one a line) or from the first column of a CSV or parquet file."""
    from recommender.engine.data.columns import read_keys

    if path.suffix in (".parquet", ".csv"):
        return read_keys(path)
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _print_report(report: dict[str, Any], as_json: bool, bundle: str) -> None:
    if as_json:
        ours = next(m for m in report["models"] if m["model"] == "two_tower")
        print(json.dumps({"bundle": bundle, "metrics": ours, **report}))
        return
    if report["start"] != "cold":
        print(f"started {report['start']}")
    if report["out_of_time"]:
        print(
            f"the limit of {report['settings']['minutes']:g} minutes ended training; the best model until then was kept"
        )
    for part in report["left_out"]:
        print(LeftOut.from_dict(part).sentence())
    for trial in report["study"]:
        tried = " ".join(f"{n}={v:.2g}" if isinstance(v, float) else f"{n}={v}" for n, v in trial["settings"].items())
        print(f"trial {trial['number']:>3} {trial['state']:<7} validation NDCG@10 {trial['ndcg_10']:.4f} {tried}")
    print(f"{report['users']:,} users held out ({report['split']}), every item not yet bought ranked")
    print(f"{'model':<20}{'NDCG@10':>9}{'interval':>18}{'HR@10':>8}{'recall@20':>11}{'MRR':>8}{'coverage':>10}")
    for row in report["models"]:
        if row["ndcg_10"] is None:
            print(f"{row['model']:<20}  nobody to measure on")
            continue
        low, high = row["ndcg_10_interval"]
        print(
            f"{row['model']:<20}{row['ndcg_10']:>9.4f}{f'{low:.4f} to {high:.4f}':>18}{row['hr_10']:>8.3f}"
            f"{row['recall_20']:>11.3f}{row['mrr']:>8.3f}{row['coverage']:>10.3f}"
        )
    for name, pair in report["paired"].items():
        if pair["difference"] is not None:
            print(f"two_tower - {name}: {pair['difference']:+.4f} ({pair['low']:+.4f} to {pair['high']:+.4f})")
    for row in report["segments"]:
        ndcg = {of_one["model"]: of_one["ndcg_10"] for of_one in row["models"]}
        print(f"{row['segment']:<20}{row['users']:>7,} users  {ndcg['two_tower']:.4f} beside {ndcg['popularity']:.4f}")
    if baskets := report["next_baskets"]:
        ndcg = {of_one["model"]: of_one["ndcg_10"] for of_one in baskets["models"]}
        print(
            f"next baskets of {baskets['users']:,} users, bought before or not: {ndcg['two_tower']:.4f} beside", end=" "
        )
        print(f"{ndcg['popularity']:.4f} (popularity), {ndcg['personal_frequency']:.4f} (what each bought most often)")
    if report["ratings"]:
        r = report["ratings"]
        print(
            f"ratings: RMSE {r['rmse']:.3f}, MAE {r['mae']:.3f}; RMSE of the mean {r['global_mean_rmse']:.3f}, "
            f"of the item's mean {r['item_mean_rmse']:.3f} ({r['n']:,} ratings)"
        )
    print(f"bundle: {bundle}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recommender.engine", description=__doc__)
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("train", help=train.__doc__)
    command.add_argument("--data", type=Path, required=True, help="the snapshot folder")
    command.add_argument("--out", type=Path, required=True, help="where the bundle goes")
    command.add_argument("--split", choices=("last-out", "date"), default="last-out")
    command.add_argument("--loss", choices=LOSSES)
    command.add_argument("--interaction", choices=INTERACTIONS)
    command.add_argument("--epochs", type=int)
    command.add_argument("--minutes", type=float, metavar="M", help="begin no epoch that would end later")
    command.add_argument("--seed", type=int)
    command.add_argument(
        "--warm-start", type=Path, metavar="BUNDLE", help="go on from this bundle's weights and settings"
    )
    command.add_argument("--tune", type=int, default=0, metavar="N", help="try N settings on validation, take the best")
    command.add_argument("--work", type=Path, help="a folder for checkpoints: the same folder again resumes")
    command.add_argument("--json", action="store_true", help="print the report as one JSON object")
    command.set_defaults(run=train)

    command = commands.add_parser("recommend", help=recommend.__doc__)
    command.add_argument("--bundle", type=Path, required=True)
    command.add_argument("--users", required=True, help='"all", or a file with one key a line')
    command.add_argument("--top-k", type=int, default=10)
    command.add_argument("--out", type=Path, required=True, help="a .parquet or .csv file")
    purchased = command.add_mutually_exclusive_group()
    purchased.add_argument(
        "--include-purchased", action="store_true", help="what each user buys next, bought before or not"
    )
    purchased.add_argument("--only-purchased", action="store_true", help="what each user is due to buy again")
    command.add_argument(
        "--shard", type=_shard, default=(1, 1), metavar="I/N", help="the I-th of N parts of the users, from 1"
    )
    command.set_defaults(run=recommend)

    command = commands.add_parser("similar", help=similar.__doc__)
    command.add_argument("--bundle", type=Path, required=True)
    command.add_argument("--items", required=True, help='"all", or a file with one key a line')
    command.add_argument("--top-k", type=int, default=10)
    command.add_argument("--out", type=Path, required=True, help="a .parquet or .csv file")
    command.set_defaults(run=similar)

    command = commands.add_parser("evaluate", help=evaluate.__doc__)
    command.add_argument("--bundle", type=Path, required=True)
    command.add_argument("--data", type=Path, required=True)
    command.add_argument("--split", choices=("last-out", "date"), default="last-out")
    command.add_argument("--json", action="store_true")
    command.set_defaults(run=evaluate)
    return parser


if __name__ == "__main__":
    sys.exit(main())
