"""Request bodies that no view can read are refused: those without a length, which WSGI shows as empty; large ones."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from recsite.api.problems import refuse

NO_LENGTH = _("Send the length of the body (Content-Length): a body that comes in chunks is not read.")


def check_bodies(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware. WSGI passes a body without a length on as an empty one; one that is too large fails halfway through.

    Files are sent to the admin alone. On other pages the CSRF protection would read them, whatever their size.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length and request.META.get("HTTP_TRANSFER_ENCODING"):
            return refuse(request, status=411, title=gettext("That did not work"), detail=str(NO_LENGTH))
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        takes_files = request.path.startswith(f"/{settings.ADMIN_PATH}")
        if not takes_files and limit is not None and length.isdecimal() and int(length) > limit:
            words = gettext("The body has {size} bytes; at most {most} are read. Send it in several calls.").format(
                size=number_format(int(length), force_grouping=True), most=number_format(limit, force_grouping=True)
            )
            return refuse(request, status=413, title=gettext("That is too much at once"), detail=words)
        return get_response(request)

    return middleware
