"""Is this process alive, and may it be sent visitors?"""

import structlog
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

    A promoted model that does not open is told, but is no reason to turn visitors away while the one before serves.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        serves, problem = serving.live(), serving.problem()
    except DatabaseError as error:
        log.error("database_does_not_answer", error=str(error))
        return JsonResponse({"status": "not ready", "reason": "The database does not answer."}, status=503)
    if problem and serves is None:
        return JsonResponse({"status": "not ready", "reason": "The promoted model does not open."}, status=503)
    return JsonResponse({"status": "ready", "model": serves.version if serves else None, "model_opens": not problem})
