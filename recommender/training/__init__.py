"""Runs: started, executed, judged by the gate, and promoted or refused."""

from recommender.training.execution import ProgressCallback, execute_run
from recommender.training.gate import gate_rules
from recommender.training.parameters import MAX_TRIALS, read_parameters
from recommender.training.queueing import enqueue, queue_again, queue_run
from recommender.training.runs import cancel_run, dead_at, is_stale, keep_runs_going, start_run
from recommender.training.schedules import start_due_runs
from recommender.training.workers import check_celery, missing_for_training
