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
