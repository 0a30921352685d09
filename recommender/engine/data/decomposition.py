"""The largest eigenvectors of a matrix that is too large to be formed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import qr
from threadpoolctl import threadpool_limits

OVERSAMPLE, POWER_STEPS = 32, 4


def top_vectors(
    times: Callable[[np.ndarray], np.ndarray], n: int, rank: int, power_steps: int = POWER_STEPS
) -> np.ndarray:
    """The eigenvectors [n, rank] of the largest eigenvalues of a symmetric matrix given as a product with a block.

    Randomised, with power steps (Halko, Martinsson & Tropp, "Finding structure with randomness", 2011).
    """
    width = min(rank + OVERSAMPLE, n)
    basis = np.random.default_rng(0).normal(size=(n, width)).astype(np.float32)
    # On thin matrices a second thread gains nothing, and where others use the cores it waits.
    with threadpool_limits(1, user_api="blas"):
        for _ in range(power_steps):
            basis = qr(times(basis), mode="economic", overwrite_a=True, check_finite=False)[0]  # numpy's: 10 x slower
        small = basis.T @ times(basis)
        _, rotation = np.linalg.eigh((small + small.T) / 2)
        return basis @ rotation[:, ::-1][:, :rank]
