"""What a shop owner reads of a training: a screen of sentences, and all that was measured behind one click."""

import pytest

from tests.browser.looks import fits
from tests.browser.staff import sign_in
from tests.recommender import planted_runs

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_run_s_page_is_short_until_everything_measured_is_asked_for(page, db):
    version = planted_runs.version("v1", study=planted_runs.STUDY)
    sign_in(page, f"/admin/recommender/trainingrun/{version.run_id}/change/")
    page.get_by_text("21% of 943 customers found").wait_for()
    assert "NDCG" not in page.locator("ul.rule:visible").inner_text()
    assert not page.get_by_text("Who gets the places").is_visible()
    fits(page, "run-in-short")
    page.get_by_text("Everything that was measured").click()
    page.get_by_text("Who gets the places").wait_for()
    fits(page, "run-measured")
