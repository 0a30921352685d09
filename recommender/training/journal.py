"""The progress of a run, as the learning thread writes it and the executing thread stores it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from threading import Lock
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext_noop

from recommender.engine_words import TABLES, engine_words
from recommender.models import TrainingRun
from recommender.words import Words, columns

if TYPE_CHECKING:  # the module imports torch
    from recommender.engine.training.pipeline import Progress

LOG_LINES = 200
PHASES = {  # of the engine's pipeline
    "reading": gettext_noop("Reading: {message}"),
    "tuning": gettext_noop("Tuning: {message}"),
    "training": gettext_noop("Training: {message}"),
    "refitting": gettext_noop("Refitting: {message}"),
    "evaluating": gettext_noop("Evaluating: {message}"),
    "writing": gettext_noop("Writing: {message}"),
}
EXPORT_SHARE = 0.05  # of the progress bar
STATES = {  # of a run, by the phase of the engine's pipeline
    "reading": TrainingRun.State.TRAINING,
    "tuning": TrainingRun.State.TRAINING,
    "training": TrainingRun.State.TRAINING,
    "refitting": TrainingRun.State.TRAINING,
    "evaluating": TrainingRun.State.EVALUATING,
    "writing": TrainingRun.State.EVALUATING,
}


@dataclass
class Journal:
    """What the row of a run will hold. Safe for two threads."""

    lines: deque[str]
    state: TrainingRun.State = TrainingRun.State.EXPORTING
    phase: Words = field(default_factory=lambda: Words("Reading the shop's data"))
    progress: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    curve: list[dict[str, Any]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @classmethod
    def continued(cls, run: TrainingRun) -> Journal:
        """A journal that keeps the log lines of earlier attempts."""
        return cls(deque(run.log.splitlines(), LOG_LINES))

    def note(self, line: str) -> None:
        with self.lock:
            self.lines.append(f"{timezone.localtime():%H:%M:%S} {line}")

    def on_export(self, table: str, rows: int) -> None:
        self.phase = Words("Reading the shop's data: {rows:n} {table}", rows=rows, table=Words(TABLES[table]))

    def on_engine(self, progress: Progress) -> None:
        self.state = STATES[progress.phase]
        self.phase = Words(PHASES[progress.phase], message=engine_words(progress.message))
        self.progress = EXPORT_SHARE + (1 - EXPORT_SHARE) * progress.done
        if progress.metrics:
            with self.lock:
                self.curve.append(storable(progress.metrics))
        self.note(str(self.phase))

    def columns(self) -> dict[str, Any]:
        """Values of the row's columns."""
        with self.lock:
            return {
                **columns(phase=self.phase) | {"phase": self.phase[:200]},
                "progress": min(max(self.progress, 0.0), 1.0),
                "counts": dict(self.counts),
                "curve": list(self.curve),
                "log": "\n".join(self.lines),
            }


def storable(value: Any) -> Any:
    """The value with None for nan and infinity: PostgreSQL's JSON holds neither."""
    if isinstance(value, Mapping):
        return {str(key): storable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [storable(part) for part in value]
    return None if isinstance(value, float) and not isfinite(value) else value
