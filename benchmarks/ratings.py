"""Ratings beside the peers: RMSE and MAE on held-out ratings, at random and by date, and whether they are calibrated.

Each model chooses its settings on validation, learns again from training and validation, and meets the test once. Every
model, ours too, predicts a held-out rating from the training ratings alone; `two_tower_as_served`, by date, also reads
what the same person bought and rated between them and that moment, as a shop does.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.peers import OURS, RATERS, load
from benchmarks.peers.raters import rated_rows
from benchmarks.splits import at_random, known_first
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import LEFT_OUT, TEST, TRAIN, VALID, split_by_date
from recommender.engine.data.tables import Tables
from recommender.engine.errors import EngineError

AS_SERVED = "two_tower_as_served"
RESAMPLES = 1000
HEADINGS = ("split", "model", "RMSE", "interval", "MAE", "ours minus it", "seconds", "tuning")


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    names = options.models.split(",")
    if unknown := set(names) - set(RATERS):
        print(f"error: There is no rater {unknown.pop()!r}; there are {', '.join(RATERS)}.", file=sys.stderr)
        return 1
    try:
        tables = datasets.read(options.data)
        if not np.isfinite(tables.rating).any():
            raise EngineError("Nothing is rated there.")
        roles = {"random": [at_random(tables, seed) for seed in range(1, options.draws + 1)]}
        roles["date"] = [split_by_date(tables)]
        found = {how: compare(tables, drawn, names, as_served=how == "date") for how, drawn in roles.items()}
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found)) if options.json else _print_tables(found, options.data)
    return 0


def compare(tables: Tables, roles: list[np.ndarray], names: list[str], as_served: bool) -> dict[str, Any]:
    """A row for each model over all draws of a split, and the calibration of ours."""
    answers: dict[str, list[dict[str, Any]]] = {}
    for role in roles:
        for name in names:
            try:
                answer = measure(tables, role, name)
            except ImportError as error:
                print(f"{name} is left out: {error}.", file=sys.stderr)
                continue
            answers.setdefault(name, []).append(answer)
            print(f"{name}: RMSE {_rmse(answer['error']):.4f}, {answer['settings']}", file=sys.stderr)
        if as_served and OURS in names:
            answers.setdefault(AS_SERVED, []).append(measure(tables, role, OURS, as_served=True))
    ours = answers.get(OURS)
    rows = [_row(name, drawn, ours) for name, drawn in answers.items()]
    return {"rows": rows, "calibration": None if ours is None else _calibration(ours)}


def measure(tables: Tables, role: np.ndarray, name: str, as_served: bool = False) -> dict[str, Any]:
    """The errors of one model on the TEST ratings, with the user of each."""
    rater = load(name, RATERS)
    started = time.perf_counter()
    grid = rater.grid()
    data = known_first(tables, np.where(role == TEST, LEFT_OUT, role))
    held_out = data.rating[rated_rows(data, VALID)]
    best, decided = np.inf, grid[0]
    for settings in grid:
        model = rater(**settings)
        model.fit(data)
        rmse = _rmse(model.predict(data, VALID) - held_out)
        if rmse < best:
            best, decided = rmse, model.decided
    tuned = time.perf_counter()
    role = np.where(role == VALID, TRAIN, role).astype(np.int8)
    data = TwoTowerDataset.build(tables, role) if as_served else known_first(tables, role)
    model = rater(**decided)
    model.fit(data)
    learned = time.perf_counter()
    rows = rated_rows(data, TEST)
    predicted = model.predict(data, TEST)
    return {
        "error": predicted - data.rating[rows],
        "predicted": predicted,
        "user": data.user[rows],
        "settings": decided,
        "validation": best,
        "tuning": tuned - started,
        "seconds": learned - tuned,
    }


def _row(name: str, drawn: list[dict[str, Any]], ours: list[dict[str, Any]] | None) -> dict[str, Any]:
    errors = [answer["error"] for answer in drawn]
    row = {
        "model": name,
        "rmse": float(np.mean([_rmse(error) for error in errors])),
        "mae": float(np.mean([np.abs(error).mean() for error in errors])),
        "interval": _interval(drawn),
        "rmse_of_each": [_rmse(error) for error in errors],
        "ratings": int(sum(map(len, errors))),
        "paired": None,
        **{key: float(np.mean([answer[key] for answer in drawn])) for key in ("seconds", "tuning", "validation")},
        "settings": [answer["settings"] for answer in drawn],
    }
    if ours is not None and name != OURS:
        low, high = _interval(ours, drawn)
        row["paired"] = {"difference": _rmse(_pooled(ours)) - _rmse(_pooled(drawn)), "low": low, "high": high}
    return row


def _interval(drawn: list[dict[str, Any]], beside: list[dict[str, Any]] | None = None) -> list[float]:
    """The 95 % bootstrap over people of the RMSE of all draws together, or of its difference to the one beside."""
    user = np.concatenate([answer["user"] for answer in drawn])
    count = np.bincount(user)
    totals = [np.bincount(user, _pooled(model) ** 2) for model in (drawn, beside) if model is not None]
    rng = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        people = rng.integers(0, len(count), len(count))
        each = [np.sqrt(total[people].sum() / count[people].sum()) for total in totals]
        found.append(each[0] - (each[1] if beside is not None else 0))
    return np.quantile(found, [0.025, 0.975]).tolist()


def _calibration(ours: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Mean prediction beside mean rating, in ten parts from the lowest predictions to the highest."""
    predicted = np.concatenate([answer["predicted"] for answer in ours])
    actual = predicted - _pooled(ours)
    parts = np.array_split(np.argsort(predicted), 10)
    return [
        {"predicted": float(predicted[part].mean()), "actual": float(actual[part].mean()), "ratings": len(part)}
        for part in parts
        if len(part)
    ]


def _pooled(drawn: list[dict[str, Any]]) -> np.ndarray:
    return np.concatenate([answer["error"] for answer in drawn])


def _rmse(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(error**2)))


def _print_tables(found: dict[str, dict[str, Any]], title: str) -> None:
    print(title)
    print()
    print(f"| {' | '.join(HEADINGS)} |")
    print("|---" * len(HEADINGS) + "|")
    for how, of_split in found.items():
        for row in of_split["rows"]:
            low, high = row["interval"]
            pair = row["paired"]
            cells = (
                how,
                row["model"],
                f"{row['rmse']:.4f}",
                f"{low:.4f} to {high:.4f}",
                f"{row['mae']:.4f}",
                f"{pair['difference']:+.4f} ({pair['low']:+.4f} to {pair['high']:+.4f})" if pair else "",
                f"{row['seconds']:.1f}",
                f"{row['tuning']:.0f}",
            )
            print(f"| {' | '.join(cells)} |")
    print()
    print("| split | calibration of ours: predicted -> rated, by tenths |")
    print("|---|---|")
    for how, of_split in found.items():
        if of_split["calibration"]:
            tenths = (f"{t['predicted']:.2f} -> {t['actual']:.2f}" for t in of_split["calibration"])
            print(f"| {how} | {', '.join(tenths)} |")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ratings", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="a folder with ratings, such as ml-100k")
    parser.add_argument("--models", default=",".join(RATERS), help=f"some of {','.join(RATERS)}, separated by commas")
    parser.add_argument("--draws", type=int, default=5, help="of the random split")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
