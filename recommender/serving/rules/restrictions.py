"""Which rows of the catalog a request allows."""

from __future__ import annotations

import numpy as np

from recommender.serving.catalog import LiveCatalog
from recommender.serving.customers import CustomerContext
from recommender.serving.request import ListRequest


def allowed_rows(
    request: ListRequest, customer: CustomerContext | None, catalog: LiveCatalog, shown: np.ndarray
) -> np.ndarray:
    """bool [items]: available, within the filter, not excluded, not dismissed, not bought already, on no earlier page.

    shown : uint64, digests of what earlier pages showed.
    """
    allowed = catalog.shown.copy()
    for name, values in (request.filter or {}).items():
        allowed &= catalog.values[name].is_any_of(values)
    allowed[catalog.rows(request.exclude)] = False
    if customer is not None:
        allowed[catalog.rows(customer.dismissed)] = False
    if customer is not None and request.exclude_purchased:
        allowed[catalog.rows(customer.bought)] = False
    if len(shown):
        allowed &= ~np.isin(catalog.digests, shown)
    return allowed
