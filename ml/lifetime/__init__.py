"""What customers without a membership are worth: who still buys packs, how often, and for how much."""
