"""The site as benchmarks/serving.py has gunicorn serve it: with one more address, the empty view, and once without us."""
