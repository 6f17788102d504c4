"""Expressions: an author's text becomes a typed tree of ours, and the tree becomes code or words."""
