"""A kind of list is one class: everything that the outside knows of it comes from there."""

from pathlib import Path

import pytest
from django.template import engines
from django.urls import resolve

from recommender.errors import RecommendationError
from recommender.models import ServedList
from recommender.serving import FALLBACK_REASONS, KINDS, SOURCES, make_list, recommend
from tests.recommender.lists import recently_viewed

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_kind_has_an_address_a_tag_and_a_line_in_the_documents(kind):
    address = kind.path.replace("<item_key:key>", "P1")
    assert resolve(f"/api/v1/{address}")
    libraries = engines["django"].engine.template_libraries
    assert kind.tag in libraries["recommendations"].tags
    api, pages = ((DOCS / name).read_text(encoding="utf-8") for name in ("api.md", "plugging_in.md"))
    assert kind.path.replace("<item_key:key>", "{key}") in api
    assert f"`{kind.tag}`" in pages
    assert kind.source in SOURCES
    for reason, sentence in kind.fallback_reasons.items():
        assert FALLBACK_REASONS[reason] == sentence
        assert f"`{reason}`" in api


# In the planted shop nobody buys anything twice: test_buy_again.py has one in which they do.
@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.name != "buy_again"], ids=lambda k: k.name)
def test_every_kind_goes_by_its_name_in_results(trained, kind):
    about = {"item": "P1", "session_items": ["P1"], "customer": "C0"}.get(kind.takes)
    answer = make_list(kind.name, about)
    assert answer.items
    assert answer.source in SOURCES
    assert ServedList.objects.get().scenario == (kind.scenario or kind.name)


def test_a_list_that_is_about_nothing_known_says_why(trained):
    assert recently_viewed(["no such item"]).fallback_reason == "never_viewed"


def test_an_unknown_kind_is_refused_with_those_that_are_near():
    with pytest.raises(
        RecommendationError, match=r"no list kind 'simlar'\. Did you mean similar\? There are: for_you,"
    ):
        make_list("simlar")


def test_a_kind_may_be_written_as_in_addresses_with_a_hyphen(stocked):
    assert make_list("bought-together", "P0").source == make_list("bought_together", "P0").source


def test_a_kind_asked_of_recommend_is_told_where_it_belongs():
    with pytest.raises(RecommendationError, match=r"write make_list\('similar', \.\.\.\)"):
        recommend(kind="similar", item="P0")
