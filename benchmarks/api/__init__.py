"""`python -m benchmarks.api`: bookings and workout logs through HTTP, against the same SQL with less around it."""
