"""Whether the shop still is what the live model learned from, and numbers for a monitoring system."""

from recommender.monitoring.drift import watch_drift
from recommender.monitoring.metrics import exposition
