"""The arm of a person in the running experiment, computed from the person's key alone: no row, no lookup.

A salted hash puts a person into the same arm at every request of every process, and into the arms of another experiment
independently of this one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recommender.models import Arm, Experiment


@dataclass(frozen=True)
class RunningArm:
    """One of two ways to make a list. version : the model version's pk, None for the live one.

    settings : fields of ListRequest that hold for every list of this arm.
    """

    pk: int
    name: str
    version: int | None = None
    version_name: str = ""
    popular: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunningExperiment:
    """The experiment that runs, as every process holds it. scenario : "" for all.   arms : A and B."""

    pk: int
    scenario: str
    share: float
    share_of_b: float
    salt: str
    arms: tuple[RunningArm, RunningArm]

    def arm_of(self, person: str, scenario: str) -> RunningArm | None:
        """The arm of a person; None for a person who does not take part, and for lists of another scenario."""
        if not person or self.scenario not in ("", scenario):
            return None
        if _position(f"{self.salt} takes part", person) >= self.share:
            return None
        return self.arms[_position(f"{self.salt} arm", person) < self.share_of_b]


def running_experiment() -> RunningExperiment | None:
    """The experiment that runs now. One query."""
    running = Arm.objects.filter(experiment__state=Experiment.State.RUNNING)
    arms = list(running.select_related("experiment", "version").order_by("name"))
    if not arms:
        return None
    a, b = (
        RunningArm(
            pk=arm.pk,
            name=arm.name,
            version=arm.version_id,
            version_name=arm.version.name if arm.version else "",
            popular=arm.model == Arm.Model.POPULAR,
            settings=arm.settings,
        )
        for arm in arms
    )
    experiment = arms[0].experiment
    return RunningExperiment(
        pk=experiment.pk,
        scenario=experiment.scenario,
        share=experiment.share,
        share_of_b=experiment.share_of_b,
        salt=experiment.salt,
        arms=(a, b),
    )


def _position(salt: str, person: str) -> float:
    """A number from 0 to 1, evenly spread over people."""
    digest = hashlib.blake2b(person.encode(errors="surrogatepass"), key=salt.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
