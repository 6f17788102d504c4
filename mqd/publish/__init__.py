"""Floor 5, publish: the frozen rule book as pages and pictures; the pages change nothing."""
