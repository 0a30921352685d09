from django.urls import path

from benchmarks.site.views import EmptyView
from recsite.urls import urlpatterns as of_the_site

urlpatterns = [path("benchmark/empty/", EmptyView.as_view()), *of_the_site]
