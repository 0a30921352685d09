"""The charts of the admin's pages, in the language of whoever looks at them."""

import re
from datetime import date, timedelta

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from recommender.reports import band_chart, epoch_charts, report_lines
from tests.recommender import planted_runs

ATTRIBUTE = re.compile(r' (?:x|y|x1|x2|y1|y2|cx|cy|width|points)="([^"]*)"')
POINTS = re.compile(r' points="([^"]*)"')


@pytest.mark.parametrize("language", ["en", "de"])
def test_an_attribute_of_a_drawing_has_a_decimal_point_in_every_language(language):
    report = planted_runs.report()
    report["ratings"]["calibration"] = [{"predicted": 4.12, "actual": 3.9, "low": 3.7, "high": 4.1, "n": 1_250}]
    lines = report_lines(report)
    with translation.override(language):
        drawings = [
            render_to_string("admin/recommender/curves.html", {"curves": lines.curves}),
            render_to_string("admin/recommender/calibration.html", {"chart": lines.calibration}),
            render_to_string("admin/recommender/bar.html", {"bar": lines.models[0].bar, "colour": "#000"}),
        ]
    for drawing in drawings:
        values = ATTRIBUTE.findall(drawing)
        assert any("." in value for value in values)
        for value in values:
            assert all(re.fullmatch(r"\d+(\.\d+)?", number) for number in re.split("[ ,]", value)), value
        assert all(len(place.split(",")) == 2 for points in POINTS.findall(drawing) for place in points.split())


def test_the_best_epoch_stands_at_its_place():
    chart, loss = epoch_charts([{"epoch": e, "ndcg_10": n, "loss": 7 - e} for e, n in ((1, 0.1), (2, 0.3), (3, 0.2))])
    assert chart.description == "0.300 at epoch 2"
    assert chart.best == ("206.0", "12.0")  # halfway across, and at the top
    assert chart.points == "44.0,146.0 206.0,12.0 368.0,79.0"
    assert loss.description == "4.000 at epoch 3"
    assert epoch_charts([{"epoch": 1, "ndcg_10": 0.1, "loss": 7.0}]) == []


def test_a_band_is_drawn_on_the_scale_of_its_second_half():
    day = date(2026, 11, 1)
    growth = [
        (day, 0.0, None, None),
        (day + timedelta(days=1), 1.0, -90.0, 90.0),
        (day + timedelta(days=2), 1.0, -2.0, 4.0),
    ]
    assert band_chart(growth[:2], str, str) is None
    chart = band_chart(growth, str, "{:+.0f}".format)
    assert [(tick.at, tick.label) for tick in chart.up] == [("146.0", "-2"), ("101.3", "0"), ("12.0", "+4")]
    assert chart.band == "60.0,12.0 368.0,12.0 368.0,146.0 60.0,146.0"  # what lies beyond the scale ends at its edge
    assert chart.description == "from 2026-11-02 to 2026-11-03; at the end 1.0, -2.0 to 4.0"
