"""Experiments: plan, start and stop them, who is in which arm, and what they say."""

from recommender.experiments.assignment import RunningArm, RunningExperiment, running_experiment
from recommender.experiments.results import ExperimentResults, Measured, measure_name, people_needed, results_of
from recommender.experiments.sequential import Difference
from recommender.experiments.service import (
    follow_experiments,
    plan_experiment,
    remove_experiment,
    start_experiment,
    stop_and_promote,
    stop_experiment,
)

__all__ = [
    "Difference",
    "ExperimentResults",
    "Measured",
    "RunningArm",
    "RunningExperiment",
    "follow_experiments",
    "measure_name",
    "people_needed",
    "plan_experiment",
    "remove_experiment",
    "results_of",
    "running_experiment",
    "start_experiment",
    "stop_and_promote",
    "stop_experiment",
]
