"""Whether the shop still is what the live model learned from, and numbers for a monitoring system."""

from recommender.monitoring.drift import watch_drift


def exposition() -> bytes:
    """All metrics in Prometheus' text format. Takes the extra `metrics`, which workers and commands do without."""
    from recommender.monitoring import metrics

    return metrics.exposition()
