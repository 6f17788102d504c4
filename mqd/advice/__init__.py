"""Floor 5: what models say, kept for people; it holds no key and reaches neither loop nor order."""
