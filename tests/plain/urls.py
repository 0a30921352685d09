"""The addresses of the demo site; its admin has the recommender's pages alone."""

import recommender.admin  # noqa: F401  (registers the pages)
from recsite.urls import handler400, handler500, urlpatterns  # noqa: F401
