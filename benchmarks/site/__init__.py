"""The site as benchmarks/serving.py has it served: with an empty view beside the rest, and without the recommender."""
