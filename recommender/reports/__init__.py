"""Reports and numbers as lines and charts: the admin's pages and the commands show the same."""

from recommender.reports.charts import BandChart, Bar, band_chart, epoch_charts, interval_bar
from recommender.reports.lines import (
    NO_VALUE,
    NextBasketLines,
    ReportLines,
    format_interval,
    format_score,
    model_row,
    report_lines,
    verdict,
)
