"""Runs: started, executed, judged by the gate, and promoted or refused."""

from recommender.training.execution import Tell, execute_run
from recommender.training.gate import rule_in_words
from recommender.training.parameters import MOST_TRIALS, read_parameters
from recommender.training.queueing import enqueue, queue_again, queue_run
from recommender.training.runs import cancel_run, is_stale, keep_runs_going, start_run
from recommender.training.schedules import start_due_runs

__all__ = [
    "MOST_TRIALS",
    "Tell",
    "cancel_run",
    "enqueue",
    "execute_run",
    "is_stale",
    "keep_runs_going",
    "queue_again",
    "queue_run",
    "read_parameters",
    "rule_in_words",
    "start_due_runs",
    "start_run",
]
