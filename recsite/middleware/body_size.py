"""Bodies of requests that no view can read: refused before anybody takes them for empty, or reads them for minutes."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from recsite.api.problems import refuse

NO_LENGTH = "Send the length of the body (Content-Length): a body that comes in chunks is not read."


def check_bodies(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware. WSGI hands a body without a length on as an empty one; what is too large fails halfway through.

    Files are sent to the admin alone. On any other page the protection from other sites' forms would read them, of
    whatever size and whoever sends them, only to find that nobody wants them.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length and request.META.get("HTTP_TRANSFER_ENCODING"):
            return refuse(request, status=411, title="That did not work", detail=NO_LENGTH)
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        takes_files = request.path.startswith(f"/{settings.ADMIN_PATH}")
        if not takes_files and limit is not None and length.isdecimal() and int(length) > limit:
            words = f"The body has {int(length):,} bytes; at most {limit:,} are read. Send it in several calls."
            return refuse(request, status=413, title="That is too much at once", detail=words)
        return get_response(request)

    return middleware
