"""Caching of answers: in the reader's own browser at most, unless a view says otherwise."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control


def private_by_default(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware. Pages and lists differ from reader to reader, by their session or by their API key, which no `Vary`
    of ours could name for every cache on the way: so caches that several people share keep none of them.

    Static files do not come this far.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, private=True, no_cache=True)
        return response

    return middleware
