"""Every setting of a training run, with the defaults that travel from shop to shop."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from recommender.engine.errors import EngineError

LOSSES = ("softmax", "bpr", "bce")
INTERACTIONS = ("cosine", "dot")
AT_LEAST_ONE = (
    *("dim", "profile_rank", "rating_dim", "max_history", "max_ratings"),
    *("epochs", "patience", "average_steps", "batch_targets"),
)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one run. Nothing here names a data set: what depends on the data is computed from it.

    Attributes
    ----------
    loss : how lists are learned: "softmax" (every item, or sampled with logQ above `full_softmax_items`), "bpr", "bce".
    full_softmax_items : items up to which the softmax is over all where histories meet them in `dim` numbers; fewer
        where they meet in more, but at least twice the negatives.
    interaction : how the towers meet: "cosine" (with a learned temperature) or "dot".
    dim : width of the part of both towers in which history and items meet.
    profile_rank : rank of the profile path.
    rating_dim : width of the factors that predict ratings.
    max_history : purchases of a person that their lists are made from, the latest ones.
    max_ratings : purchases of a person whose ratings are read, the latest ones.
    epochs, patience : at most so many passes, and so many without a better validation NDCG@10 before stopping.
    minutes : no epoch is begun that would end after so many minutes, if it takes as long as the one before; what
        served validation best until then is kept. None: no limit.
    learning_rate : the first rate; halved whenever an epoch brings no improvement.
    average_steps : the weights that are judged and served are a running average over about so many steps.
    item_id_dropout : how often an item is seen by its features alone, where it has any.
    later : so many purchases of each person, fewer where the history is short, are drawn anew in each epoch and
        predicted from the first one to five alone, too, not only from all that came before.
    negatives : sampled items for each batch (sampled softmax) or for each purchase (bpr, bce: a 64th of it).
    batch_targets : purchases predicted in one step, at most.
    refit, repeat_up_to : whether what serves learns from the held-out purchases too: up to so many purchases by the
        same training again, above by one more epoch.
    """

    loss: str = "softmax"
    interaction: str = "dot"
    dim: int = 128
    profile_rank: int = 16
    rating_dim: int = 16
    max_history: int = 100
    max_ratings: int = 400
    epochs: int = 30
    patience: int = 2
    minutes: float | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    average_steps: int = 100
    dropout: float = 0.3
    item_id_dropout: float = 0.1
    later: int = 10
    negatives: int = 2048
    full_softmax_items: int = 12_000
    batch_targets: int = 4096
    repeat_up_to: int = 300_000
    eval_users: int = 10_000
    bootstrap: int = 1000
    refit: bool = True
    seed: int = 1

    def __post_init__(self) -> None:
        allowed = {"loss": LOSSES, "interaction": INTERACTIONS}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise EngineError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(values)}.")
        for name in AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise EngineError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        if not 0 <= self.seed < 2**32:
            raise EngineError(f"seed is {self.seed}; it must be 0 or more, and less than 2 to the power of 32.")
        if self.minutes is not None and not self.minutes > 0:
            raise EngineError(f"minutes is {self.minutes}; it must be more than 0.")
        if self.later < 0:
            raise EngineError(f"later is {self.later}; it must be 0 or more.")
        if not 0 < self.learning_rate < 1:
            raise EngineError(f"learning_rate is {self.learning_rate}; it must lie between 0 and 1.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainConfig:
        """The config of a saved run; unknown keys are an error, missing ones take their defaults."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise EngineError(f"Unknown training settings: {', '.join(sorted(unknown))}.")
        return cls(**values)
