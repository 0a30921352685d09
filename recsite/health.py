"""Is this process alive, and may it be sent visitors?"""

import structlog
from django.core.cache import caches
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from recommender import serving

log = structlog.get_logger("recsite.health")


@require_safe
@never_cache
def live(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers: a supervisor restarts it when it does not."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 when lists can be served: the database answers, and no model was promoted yet or one is open.

    A promoted model that does not open is reported, and is no reason to turn visitors away while the one before serves.
    Nor is a cache that does not answer: `degraded` names it, and each process counts its limits by itself until then.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        serves, problem = serving.live_model(), serving.serving_problem()
    except DatabaseError as error:
        log.error("database_does_not_answer", error=str(error))
        return JsonResponse({"status": "not ready", "reason": "The database does not answer."}, status=503)
    if problem and serves is None:
        return JsonResponse({"status": "not ready", "reason": "The promoted model does not open."}, status=503)
    degraded = ["cache"] if getattr(caches["default"], "is_degraded", bool)() else []
    answer = {"status": "degraded" if degraded else "ready", "degraded": degraded}
    return JsonResponse({**answer, "model": serves.version if serves else None, "model_opens": not problem})
