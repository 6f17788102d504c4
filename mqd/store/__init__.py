"""Floor 5: the desk's memory; an append-only, hash-chained journal in SQLite or PostgreSQL."""
