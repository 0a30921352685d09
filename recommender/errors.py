"""The errors around the engine. Every message is a sentence that says what was given and what is allowed."""

from collections.abc import Mapping


class RecommenderError(Exception):
    """The base of the family: catch this one to report any failure of the recommender."""


class RecommendationError(RecommenderError):
    """A request for a list or a rating makes no sense. `field` names its part that is wrong."""

    def __init__(self, field: str, message: str):
        super().__init__(message)
        self.field = field
        self.message = message


class EventChanged(RecommenderError):
    """An event id came again with other content. `fields` says for each field what is stored and what was sent."""

    def __init__(self, fields: Mapping[str, str]):
        super().__init__("; ".join(f"{name}: {words}" for name, words in fields.items()))
        self.fields = fields


class TrainingError(RecommenderError):
    """A run cannot be started, executed or cancelled, or a version cannot be made live."""


class ExperimentError(RecommenderError):
    """An experiment cannot be started, stopped or decided as it is."""


class NothingChanged(RecommenderError):
    """A run that was to train only on changed data found none."""


class MissingExtra(TrainingError):
    """Training, or handing a run to a worker, needs an extra that is not installed."""
