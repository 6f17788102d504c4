"""Whole days of the desk against a world in which everything goes wrong, each from one seed."""
