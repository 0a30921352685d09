"""What happened, for code of yours: connect a receiver, as to any signal of Django. docs/stability.md says what stays.

    from recommender.signals import version_promoted

    @receiver(version_promoted)
    def warm_caches(promotion, **kwargs): ...

Every signal is sent after the commit, so that it reports only what is so, and with `send_robust`: a receiver that fails
is logged by Django and breaks nothing. Take **kwargs: later versions may send more. `contract` is CONTRACT, which
grows only when an argument changes its meaning or goes.

A receiver runs in the process where it happened: a worker, a web process, a command. Where it takes long, let it queue
a task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from django.db import transaction
from django.dispatch import Signal

if TYPE_CHECKING:
    from recommender.models import ModelVersion, Promotion, ServedList, TrainingRun

CONTRACT = 1


class OnVersionPromoted(Protocol):
    def __call__(self, *, promotion: Promotion, contract: int, **kwargs: Any) -> object: ...


class OnVersionRefused(Protocol):
    def __call__(self, *, version: ModelVersion, contract: int, **kwargs: Any) -> object: ...


class OnRun(Protocol):
    def __call__(self, *, run: TrainingRun, contract: int, **kwargs: Any) -> object: ...


class OnListServed(Protocol):
    def __call__(self, *, served_list: ServedList, contract: int, **kwargs: Any) -> object: ...


class OnCustomerErased(Protocol):
    def __call__(self, *, customer: str, contract: int, **kwargs: Any) -> object: ...


version_promoted = Signal()  # OnVersionPromoted: another version serves: by the gate, by hand, or a roll back
version_refused = Signal()  # OnVersionRefused: the gate refused a version
run_failed = Signal()  # OnRun: a run ended without a version, and not because somebody cancelled it
run_ended = Signal()  # OnRun: a run ended, however: `run.state` is promoted, refused, failed or cancelled
list_served = Signal()  # OnListServed: a list is on record; not those of people who opted out
customer_erased = Signal()  # OnCustomerErased: nothing is left of the customer of this key


def send_after_commit(signal: Signal, **facts: Any) -> None:
    """Costs nothing where nobody listens."""
    if signal.has_listeners():
        transaction.on_commit(lambda: signal.send_robust(sender=None, contract=CONTRACT, **facts))
