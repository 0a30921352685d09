"""Reports and numbers as lines and charts: the admin's pages and the commands show the same."""

from recommender.reports.charts import BandChart, Bar, band_chart, epoch_charts, interval_bar
from recommender.reports.lines import (
    NO_VALUE,
    NextBasketLines,
    ReportLines,
    Verdict,
    format_interval,
    format_score,
    interval_words,
    model_row,
    report_lines,
    segment_words,
    verdict,
    verdict_words,
)
