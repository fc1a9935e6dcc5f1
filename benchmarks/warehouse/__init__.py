"""The warehouse measured: what building it costs and what asking it costs, against the same SQL run bare."""
