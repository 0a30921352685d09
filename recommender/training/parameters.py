"""What a run may be asked to do: its parameters, checked by name, type and range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from recommender.engine.config import TrainConfig
from recommender.engine.errors import EngineError
from recommender.errors import TrainingError

MOST_TRIALS = 1_000


@dataclass(frozen=True)
class RunParameters:
    """What a run's parameters ask for. settings : those of TrainConfig that are not to take their defaults.

    tune : so many trials of other settings first.   warm_start : go on from the live version, its weights and settings.
    only_if_changed : end without training where the shop's data is what the live version learned from.
    """

    settings: dict[str, Any]
    tune: int = 0
    warm_start: bool = False
    only_if_changed: bool = False


def read_parameters(parameters: Mapping[str, Any]) -> RunParameters:
    """TrainingError names the parameter that is unknown, of the wrong type or out of range."""
    options = {"tune": int, "warm_start": bool, "only_if_changed": bool}
    kinds = {f.name: type(f.default) for f in fields(TrainConfig)} | options
    for name, value in parameters.items():
        if name not in kinds:
            raise TrainingError(f"{name!r} is no training parameter; there are {', '.join(kinds)}.")
        kind = kinds[name]
        if not (type(value) is kind or (kind is float and type(value) is int)):
            raise TrainingError(f"{name} is {value!r}; it must be {_A[kind]}.")
    plan = RunParameters(
        settings={name: value for name, value in parameters.items() if name not in options},
        **{name: value for name, value in parameters.items() if name in options},
    )
    if not 0 <= plan.tune <= MOST_TRIALS:
        raise TrainingError(f"tune is {plan.tune}; it must lie between 0 and {MOST_TRIALS:,}.")
    try:
        TrainConfig.from_dict(plan.settings)
    except EngineError as error:
        raise TrainingError(str(error)) from None
    return plan


_A = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
