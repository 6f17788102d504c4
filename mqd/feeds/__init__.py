"""Floor 5: where bars come from, and when the exchange trades."""
