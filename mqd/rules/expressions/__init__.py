"""Expressions: an author's text becomes a typed tree of ours; code and words are made of it."""
