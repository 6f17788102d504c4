"""Floor 4: the pure core. The same rules and the same events give byte-identical outcomes."""
