"""What every world may import: ids, money, event shapes, telemetry, the warehouse door, the marts' names.

Belongs here: small definitions that two or more sibling packages must agree on, with no I/O at import.
Does not: business rules (they live in a context), settings (beside each process), anything with one user.
"""
