"""The parameters of a run, checked by name, type and range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from recommender.engine.config import TrainConfig
from recommender.engine.errors import EngineError
from recommender.engine_words import error_words
from recommender.errors import TrainingError
from recommender.words import Words

MAX_TRIALS = 1_000
TYPE_LABELS = {
    int: Words("a whole number"),
    float: Words("a number"),
    str: Words("text"),
    bool: Words("true or false"),
}


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
            raise TrainingError(
                Words("{name!r} is no training parameter; there are {known}.", name=name, known=", ".join(types))
            )
        if not (type(value) is types[name] or (types[name] is float and type(value) is int)):
            raise TrainingError(
                Words("{name} is {value!r}; it must be {kind}.", name=name, value=value, kind=TYPE_LABELS[types[name]])
            )
    result = RunParameters(
        settings={name: value for name, value in parameters.items() if name not in options},
        **{name: value for name, value in parameters.items() if name in options},
    )
    if not 0 <= result.tune <= MAX_TRIALS:
        raise TrainingError(
            Words("tune is {tune}; it must lie between 0 and {most:n}.", tune=result.tune, most=MAX_TRIALS)
        )
    try:
        TrainConfig.from_dict(result.settings)
    except EngineError as error:
        raise TrainingError(error_words(error)) from None
    return result
