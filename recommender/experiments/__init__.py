"""Experiments: plan, start and stop them, the arm of a person, and the results."""

from recommender.experiments.assignment import RunningArm, RunningExperiment, running_experiment
from recommender.experiments.exposures import follow_experiments
from recommender.experiments.results import (
    ExperimentResults,
    MeasureResult,
    experiment_results,
    interval_conditions,
    measure_label,
    measure_words,
)
from recommender.experiments.sequential import Difference
from recommender.experiments.service import (
    plan_experiment,
    remove_experiment,
    start_experiment,
    stop_and_promote,
    stop_experiment,
)
