"""Reports and numbers as lines and charts for people: the admin's pages and the commands show the same."""

from recommender.reports.charts import BandChart, Bar, band_of, bar, curves_of
from recommender.reports.lines import NOTHING, ReportLines, interval, lines_of, row_of, score

__all__ = [
    "NOTHING",
    "BandChart",
    "Bar",
    "ReportLines",
    "band_of",
    "bar",
    "curves_of",
    "interval",
    "lines_of",
    "row_of",
    "score",
]
