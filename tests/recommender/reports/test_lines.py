"""Reports in words."""

import pytest

from recommender.management.commands.train import as_table
from recommender.reports import report_lines
from tests.recommender import planted_runs


@pytest.mark.parametrize(("difference", "said"), [(0.2, "and it is not: NDCG@10 .300, +.200"), (-0.2, "and it is: ")])
def test_what_serves_is_said_not_to_be_measured_and_whether_it_is_as_good_as_it_must_be(difference, said):
    refit = {"ndcg_10": 0.3, "difference": difference, "low": difference - 0.02, "high": difference + 0.02}
    lines = report_lines({**planted_runs.report(), "refit": refit})
    assert said in lines.refit
    assert lines.refit in as_table(lines)
    assert report_lines(planted_runs.report()).refit == ""


def test_the_best_version_is_named_in_words():
    report = planted_runs.report()
    report["models"].append({"model": "anchor", "ndcg_10": 0.09, "ndcg_10_interval": [0.08, 0.1]})
    report["paired"]["anchor"] = {"difference": 0.001, "low": -0.01, "high": 0.012}
    lines = report_lines(report)
    assert lines.models[-1].label == lines.differences[-1].label == "the best until then"


def test_a_report_begins_with_sentences_that_need_no_statistics():
    report = planted_runs.report()
    report["models"][1]["hr_10"] = 0.086
    said = report_lines(report).summary
    assert said[0].startswith(
        "21% of 943 customers found what they bought last among the first ten of their list, 9% in "
    )
    assert "Of customers with one to five purchases: 21%, 21% in the list of what is popular." in said
    assert any(sentence.startswith("41% of what customers bought next") for sentence in said)
    assert "Predicted ratings are off by 0.91 stars, each product's mean by 1.02." in said
    assert "42% of all products stand in somebody's first ten." in said
    assert not any("NDCG" in sentence for sentence in said)


def test_where_nothing_was_measured_nothing_is_said_in_short():
    assert report_lines({}).summary == []
    assert report_lines({"models": [{"model": "two_tower", "hr_10": None}], "users": 0}).summary == []
