"""Alpaca over alpaca-py: our own HTTP policy around it, and our own exact reading of its JSON."""
