"""What a machine can do to a start: kills, a full disk. Minutes each, so not in `make test`: `make drill`."""
