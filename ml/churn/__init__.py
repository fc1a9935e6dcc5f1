"""Will this membership end within 30 days? Calibrated, with reasons and an interval, against baselines. See CARD.md."""
