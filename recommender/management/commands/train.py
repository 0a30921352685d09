"""`manage.py train`: one run through the same services as the admin's Retrain button, here and now."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandError, CommandParser

from recommender import extras
from recommender.engine.config import LOSSES
from recommender.errors import TrainingError
from recommender.management.arguments import AnswerCommand, whole_number
from recommender.models import ModelVersion, TrainingRun
from recommender.reports import NextBasketLines, ReportLines, report_lines
from recommender.training import ProgressCallback, execute_run, start_run

PARAMETERS = ("loss", "epochs", "minutes", "seed", "tune", "warm_start", "only_if_changed")


class Command(AnswerCommand):
    help = "Exports the shop, trains a model, measures it, and makes it live if the gate lets it through."
    json_help = "end with one JSON object on a line of its own"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--loss", choices=LOSSES, help="how lists are learned (default softmax)")
        parser.add_argument("--epochs", type=int, metavar="N", help="at most so many passes over the purchases")
        parser.add_argument("--minutes", type=float, metavar="M", help="begin no epoch that would end later (no limit)")
        parser.add_argument("--seed", type=int, metavar="N", help="of the random numbers")
        parser.add_argument(
            "--tune", type=whole_number, metavar="N", help="try N settings on validation, take the best"
        )
        parser.add_argument(
            "--warm-start",
            action="store_true",
            default=None,
            help="go on from the live version: its weights, and its settings where none are given",
        )
        parser.add_argument(
            "--only-if-changed",
            action="store_true",
            default=None,
            help="end without training where the data is what the live version learned from",
        )

    def answer(self, **options: Any) -> tuple[object, str]:
        parameters = {name: options[name] for name in PARAMETERS if options[name] is not None}
        try:
            extras.require("train")
            run = start(parameters)
            with progress_bar() as show_progress:
                run = execute_run(run=run, on_progress=show_progress)
        except KeyboardInterrupt:
            raise CommandError("Stopped. What was live before is live still.", returncode=130) from None
        if run.state == TrainingRun.State.FAILED:
            raise CommandError(run.error)
        if run.state == TrainingRun.State.CANCELLED:
            if run.cancel_requested:
                raise CommandError(f"Run {run.pk} was cancelled.")
            return answer_of(run, None), run.phase  # the data had not changed
        answer = answer_of(run, run.version)
        effect = "is live" if answer["promoted"] else "was made but does not serve"
        end = f"Run {run.pk} took {answer['seconds']:.0f} seconds. Version {answer['version']} {effect}."
        return answer, f"{as_table(report_lines(run.version.report))}\n\n{answer['reason']}\n{end}"


def start(parameters: dict[str, Any]) -> TrainingRun:
    """The run to execute. TrainingError, with the command that helps, where another is active."""
    try:
        return start_run(parameters=parameters)
    except TrainingError as error:
        active = TrainingRun.objects.active().first()
        if active is None:
            raise
        raise TrainingError(f"{error} `manage.py cancel_run {active.pk}` ends that one.") from None


def answer_of(run: TrainingRun, version: ModelVersion | None) -> dict[str, Any]:
    """The outcome of a run, as the contract has it. version : None for a run that was skipped."""
    started, finished = run.started or run.created, run.finished or run.heartbeat
    return {
        "run": run.pk,
        "version": version.name if version else None,
        "promoted": run.state == TrainingRun.State.PROMOTED,
        "reason": version.gate_reason if version else run.phase,
        "metrics": run.metrics,
        "left_out": version.report.get("left_out", []) if version else [],
        "out_of_time": version.report.get("out_of_time", False) if version else False,
        "seconds": round((finished - started).total_seconds(), 1),
    }


@contextmanager
def progress_bar() -> Iterator[ProgressCallback]:
    """A bar on stderr that shows the phase of the run; lines of the log go above it."""
    from tqdm import tqdm  # of the extra `train`
    from tqdm.contrib.logging import logging_redirect_tqdm

    with (
        logging_redirect_tqdm(),
        tqdm(total=100, file=sys.stderr, bar_format="{percentage:3.0f}% |{bar:24}| {elapsed} {desc}") as bar,
    ):

        def show(progress: float, phase: str) -> None:
            bar.set_description_str(phase, refresh=False)
            bar.update(100 * progress - bar.n)

        yield show


def next_basket_sentence(lines: NextBasketLines) -> str:
    models = ", ".join(f"{m.ndcg} by {m.label}" for m in lines.models)
    return (
        f"{lines.bought_again} of what {lines.people:,} people bought next they had bought before. "
        f"NDCG@10 of all of it, among all products: {models}."
    )


def as_table(report: ReportLines) -> str:
    """The report for people: the models beside each other, with intervals."""
    lines = [
        f"Measured on {report.people:,} people, whose held-out purchases were ranked among all they had not bought.",
        "",
        f"{'':<24}{'NDCG@10':>9}{'95 % interval':>17}{'HR@10':>8}{'recall@20':>11}{'MRR':>7}{'coverage':>10}",
    ]
    lines += [
        f"{m.label:<24}{m.ndcg:>9}{m.interval:>17}{m.hit_rate:>8}{m.recall:>11}{m.mrr:>7}{m.coverage:>10}"
        for m in report.models
    ]
    lines += ["", *report.left_out] if report.left_out else []
    lines += ["", report.out_of_time] if report.out_of_time else []
    lines += ["", report.refit] if report.refit else []
    lines += ["", f"{'this model less ...':<24}{'NDCG@10':>9}{'95 % interval':>17}"]
    lines += [f"{d.label:<24}{d.difference:>9}{d.interval:>17}  {d.verdict}" for d in report.differences]
    if report.segments:
        labels = [m.label for m in report.models]
        lines += ["", f"{'NDCG@10 of segments':<32}{'people':>9}" + "".join(f"{label:>23}" for label in labels)]
        lines += [
            f"{s.label:<32}{s.people:>9,}" + "".join(f"{model.ndcg:>23}" for model in s.models) for s in report.segments
        ]
    if report.next_baskets:
        lines += ["", next_basket_sentence(report.next_baskets)]
    if report.ratings:
        errors = ", ".join(f"{r.rmse} by {r.label}" for r in report.ratings)
        lines += ["", f"Error of predicted ratings (RMSE, {report.rated:,} ratings): {errors}."]
    if report.trials:
        lines += [
            "",
            f"{'trial':>5} {'NDCG@10':>9}{'epochs':>8}{'seconds':>9} {'ended':<8} settings, tried on validation",
        ]
        lines += [
            f"{t.number:>5} {t.ndcg:>9}{t.epochs:>8}{t.seconds:>9} {'chosen' if t.chosen else t.state:<8} {t.settings}"
            for t in report.trials
        ]
    return "\n".join(lines)
