"""Minute bars of Alpaca: live over its data stream, from before over REST, as one feed."""
