"""The metric dictionary: one definition per number that any surface shows, as data.

The analytics service compiles its SQL from here, the consoles print `definition` under the tile, `docs/metrics.md`
tells the same story with its reasons; a test holds the three together. No SQL is run here and no mart is built here.

How to read an entry: `expression` is an aggregate over the rows of `relation`, kept to those where `where` is true and
grouped by the period that `at` falls in. A `flow` counts every row of the period, a `stock` only the rows of its last
day. Money is grouped by `currency`, always: nothing is summed across currencies.
"""

from contracts.metrics import growth, members, people, quality, revenue, sessions, training
from contracts.metrics.definition import Better, Grain, Metric, Unit

__all__ = ["DOMAINS", "METRICS", "Better", "Grain", "Metric", "Unit"]

_BY_DOMAIN = {
    "Money": revenue, "Members": members, "Sessions": sessions, "Coaches": people, "Training": training,
    "Growth": growth, "Data": quality,
}  # fmt: skip
METRICS: dict[str, Metric] = {metric.name: metric for domain in _BY_DOMAIN.values() for metric in domain.METRICS}
"""Every metric by name, in the order surfaces list them."""
DOMAINS: dict[str, str] = {metric.name: title for title, domain in _BY_DOMAIN.items() for metric in domain.METRICS}
"""What each metric is of, as a catalogue's heading, by the metric's name."""
