"""Analytics answers every number that people see: metrics, datasets, lineage, freshness, as-of.

It runs as its own process. It is the only part of the API that reads the lake, as the read-only role; it has no table.
"""
