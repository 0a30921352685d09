"""What each part of the lists' model brings: validation NDCG@10 with all of them, less that without each.

The parts of the closed form are left out by trying no candidate but the one that stands for nothing, all others chosen
as ever; training is left out by listing with the closed form. The test is not looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from unittest import mock

import numpy as np

from benchmarks import datasets
from benchmarks.quality import AT_MOST
from recommender.engine.config import TrainConfig
from recommender.engine.data.dataset import TwoTowerDataset
from recommender.engine.data.splits import VALID, held_out_last, split
from recommender.engine.errors import EngineError
from recommender.engine.evaluation.baselines import Popularity
from recommender.engine.evaluation.metrics import rank_targets, user_metrics
from recommender.engine.model.scorer import TorchScorer
from recommender.engine.training import choosing
from recommender.engine.training.trainer import train_two_tower_model

WITHOUT = {
    "transitions": {"TRANSITIONS": (0.0,)},
    "recency": {"RECENCIES": (0.0,)},
    "half-life of popularity": {"HALF_LIVES": (0.0,)},
    "discount of best sellers": {"DISCOUNTS": (0.0,)},
    "popularity beside the votes": {"SHARES": (0.0,)},
    "ridge and width chosen": {"RIDGES": choosing.RIDGES[:1], "WIDER_EXACT": (), "WIDER_FACTORED": ()},
}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        tables = datasets.read(options.data)
        tables, role, _ = held_out_last(tables, split(tables, "last-out", options.seed))
        measured = measure(TwoTowerDataset.build(tables, role), options.train)
    except (EngineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(measured))
        return 0
    print("| | NDCG@10 | all less it | standard error |\n|---|---|---|---|")
    for row in measured:
        print(f"| {row['part']} | {row['ndcg_10']:.4f} | {row['gain']:+.4f} | {row['error']:.4f} |")
    return 0


def measure(data: TwoTowerDataset, train: bool) -> list[dict[str, float | str]]:
    """A row for the closed form, one without each part, one of popularity alone and, on request, one after training."""
    cases = data.cases(VALID, AT_MOST)

    def ndcg(scorer: object) -> np.ndarray:
        return user_metrics(rank_targets(scorer, data, cases))["ndcg_10"]

    def closed_form(**candidates: tuple[float, ...]) -> np.ndarray:
        with ExitStack() as stack:
            for name, values in candidates.items():
                stack.enter_context(mock.patch.object(choosing, name, values))
            path = choosing.choose_linear_path(data, TrainConfig().dim)
        popular = path.settings.popularity * path.popular
        return ndcg(choosing.VotesAndPopularity(path.scale * path.history, path.items, path.settings.recency, popular))

    full = closed_form()
    rows = {"closed form, all parts": full} | {f"without {part}": closed_form(**n) for part, n in WITHOUT.items()}
    rows["popularity alone"] = ndcg(Popularity(data))
    if train:
        rows["trained"] = ndcg(TorchScorer(train_two_tower_model(data).model, data))
    errors = {part: (full - of_part).std() / np.sqrt(len(cases)) for part, of_part in rows.items()}
    return [
        {"part": part, "ndcg_10": float(n.mean()), "gain": float((full - n).mean()), "error": float(errors[part])}
        for part, n in rows.items()
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="as for benchmarks.quality")
    parser.add_argument("--seed", type=int, default=1, help="of the split")
    parser.add_argument("--train", action="store_true", help="train, too")
    parser.add_argument("--json", action="store_true", help="print the rows as one JSON list")
    return parser


if __name__ == "__main__":
    sys.exit(main())
