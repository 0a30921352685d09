"""The app of tests/recommender/branches.py."""
