"""Metrics of the data itself: whether what numbers are made of still looks as it did."""

from contracts.metrics.definition import Metric

_DISTANCES = "quality.fct_column_distances"

METRICS = (
    Metric(
        "drifted_columns", "Columns that drifted",
        "Watched columns whose last week is distributed otherwise than the eight weeks before it.",
        "count", _DISTANCES, "sum(case when is_drift then 1 else 0 end)", "day", "stock",
        exclusions="Columns with too few rows to tell, and shifts that chance explains.", owner="data", better="less",
    ),
    Metric(
        "judged_columns", "Columns judged",
        "Of the columns that are watched, the share with rows enough to tell whether they drifted.",
        "ratio", _DISTANCES, "avg(case when is_judged then 1.0 else 0.0 end)", "day", "stock", owner="data",
    ),
)  # fmt: skip
