"""Numbers for a monitoring system, read from rows at each request: every process answers the same."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from recommender.models import DriftFinding, TrainingRun
from recommender.monitoring.drift import latest_findings
from recommender.registry import live_version

LEVELS = {DriftFinding.Level.FINE: 0, DriftFinding.Level.WATCH: 1, DriftFinding.Level.HIGH: 2}


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows())
    return generate_latest(registry)


class _Rows(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield from _training()
        yield from _live()
        yield from _drift()


def _training() -> Iterator[GaugeMetricFamily]:
    counts = dict(TrainingRun.objects.order_by().values_list("state").annotate(Count("pk")))
    states = GaugeMetricFamily("recommender_training_runs", "Training runs by state", labels=["state"])
    for state in TrainingRun.State.values:
        states.add_metric([state], counts.get(state, 0))
    yield states
    active = TrainingRun.objects.active().first()
    if active is not None:
        age = (timezone.now() - active.heartbeat).total_seconds()
        yield GaugeMetricFamily("recommender_heartbeat_age_seconds", "Since the active run's last sign of life", age)
        yield GaugeMetricFamily("recommender_progress_ratio", "How far the active run is, 0 to 1", active.progress)


def _live() -> Iterator[GaugeMetricFamily]:
    version = live_version()
    if version is None:
        return
    age = GaugeMetricFamily(
        "recommender_live_version_age_seconds", "Since the live version was made", labels=["version"]
    )
    age.add_metric([version.name], (timezone.now() - version.created).total_seconds())
    yield age
    quality = version.metrics.get("ndcg_10")
    if quality is not None:
        yield GaugeMetricFamily("recommender_live_version_ndcg_10", "NDCG@10 of the live version's report", quality)


def _drift() -> Iterator[GaugeMetricFamily]:
    labels = ["subject", "field", "measure"]
    value = GaugeMetricFamily("recommender_drift", "What the latest look at drift measured", labels=labels)
    level = GaugeMetricFamily("recommender_drift_level", "0 fine, 1 to be watched, 2 high", labels=labels)
    newest = None
    for finding in latest_findings():
        named = [finding.subject, finding.field, finding.measure]
        value.add_metric(named, finding.value)
        level.add_metric(named, LEVELS[DriftFinding.Level(finding.level)])
        newest = finding.time
    yield value
    yield level
    if newest is not None:
        age = (timezone.now() - newest).total_seconds()
        yield GaugeMetricFamily("recommender_drift_age_seconds", "Since the latest look at drift", age)
