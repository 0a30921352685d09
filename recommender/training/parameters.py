"""The parameters of a run, checked by name, type and range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from recommender.engine.config import TrainConfig
from recommender.engine.errors import EngineError
from recommender.errors import TrainingError

MAX_TRIALS = 1_000
TYPE_LABELS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class RunParameters:
    """What a run does. settings : those of TrainConfig that are not to take their defaults.

    tune : number of trials of other settings first.   warm_start : go on from the live version, its weights and
    settings.   only_if_changed : end without training where the shop's data is what the live version learned from.
    """

    settings: dict[str, Any]
    tune: int = 0
    warm_start: bool = False
    only_if_changed: bool = False


def read_parameters(parameters: Mapping[str, Any]) -> RunParameters:
    """TrainingError names the parameter that is unknown, of the wrong type or out of range."""
    options = {f.name: type(f.default) for f in fields(RunParameters) if f.name != "settings"}
    types = {f.name: type(f.default) for f in fields(TrainConfig)} | {"minutes": float} | options
    for name, value in parameters.items():
        if name not in types:
            raise TrainingError(f"{name!r} is no training parameter; there are {', '.join(types)}.")
        if not (type(value) is types[name] or (types[name] is float and type(value) is int)):
            raise TrainingError(f"{name} is {value!r}; it must be {TYPE_LABELS[types[name]]}.")
    result = RunParameters(
        settings={name: value for name, value in parameters.items() if name not in options},
        **{name: value for name, value in parameters.items() if name in options},
    )
    if not 0 <= result.tune <= MAX_TRIALS:
        raise TrainingError(f"tune is {result.tune}; it must lie between 0 and {MAX_TRIALS:,}.")
    try:
        TrainConfig.from_dict(result.settings)
    except EngineError as error:
        raise TrainingError(str(error)) from None
    return result
