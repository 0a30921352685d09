from django.http import HttpResponse
from django.template import RequestContext, Template
from django.urls import include, path


def page(request, key):
    """A page about an article with the tags that docs/plugging_in.md shows."""
    template = Template(
        "{% load recommendations %}{% recommendations for=user count=6 %}{% because_you_bought for=user %}"
        "{% buy_again for=user %}{% similar_items item=key %}{% bought_together item=key %}"
        "{% popular_items for=user %}{% recently_viewed for=user %}{% remember_view item=key %}"
        "{% predicted_rating for=user item=key as rating %}{{ rating }}{% list_for for=user as whose %}{{ whose }}"
    )
    return HttpResponse(template.render(RequestContext(request, {"key": key})))


urlpatterns = [path("articles/<path:key>/", page), path("", include("recommender.urls"))]
