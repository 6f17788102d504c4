"""Floor 0: errors, exact numbers, times, ids and the canonical encoding; imports nothing of `mqd`."""
