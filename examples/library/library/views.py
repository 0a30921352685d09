"""Each branch has a host of its own: altstadt.localhost, hafen.localhost."""

from django.http import Http404
from django.shortcuts import get_object_or_404, render

from library.models import Branch, Medium, Reader


def branch_of(request):
    """The branch whose host was asked; None for any other."""
    return Branch.objects.filter(pk=request.get_host().split(".")[0]).first()


def card_of(request, branch):
    """The library card with which somebody is here, None for a visitor."""
    if not request.user.is_authenticated:
        return None
    return Reader.objects.filter(user=request.user, branch=branch).first()


def shelf(request):
    """What a branch has, and what it suggests to whoever looks."""
    branch = branch_of(request)
    if branch is None:
        raise Http404
    media = Medium.objects.filter(branch=branch, withdrawn=False).order_by("-acquired_on", "title")[:20]
    return render(request, "library/shelf.html", {"branch": branch, "media": media, "reader": card_of(request, branch)})


def medium(request, key):
    branch = branch_of(request)
    found = get_object_or_404(Medium, pk=key, branch=branch)
    return render(request, "library/medium.html", {"medium": found, "reader": card_of(request, branch)})
