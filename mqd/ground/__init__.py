"""Floor 0: errors, exact numbers, times, ids, the canonical form; imports nothing of `mqd`."""
