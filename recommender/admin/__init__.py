"""The recommender in the admin: watch and start runs, compare versions, choose which one serves, see who did what.

Rows here are written by services alone, so every page only shows them; the buttons call runs.py and versions.py.
"""

from recommender.admin import audit, drift, experiments, results, runs, schedules, versions  # noqa: F401 (each registers its pages)
