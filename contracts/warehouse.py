"""How to reach the lake: connections with both lakes attached, retries, extensions. No SQL of a model."""
