"""Bodies of requests that no view can read: refused before anybody takes them for empty."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from recsite.problems import API, problem_response

NO_LENGTH = "Send the length of the body (Content-Length): a body that comes in chunks is not read."


def check_bodies(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware. WSGI hands a body without a length on as an empty one; what is too large fails halfway through."""

    def middleware(request: HttpRequest) -> HttpResponse:
        of_api = request.path.startswith(API)
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length and request.META.get("HTTP_TRANSFER_ENCODING"):
            if of_api:
                return problem_response(status=411, detail=NO_LENGTH)
            return HttpResponse(NO_LENGTH, status=411, content_type="text/plain")
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if of_api and limit is not None and length.isdecimal() and int(length) > limit:
            words = f"The body has {int(length):,} bytes; at most {limit:,} are read. Send it in several calls."
            return problem_response(status=413, detail=words)
        return get_response(request)

    return middleware
