"""How to reach the lake: connections with both lakes attached, retries and extensions in one place. No SQL of a model."""
