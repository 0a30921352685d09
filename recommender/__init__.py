"""A pluggable Django app: learns what each customer likes, and serves lists, ratings and reasons."""

__version__ = "0.1.0"
