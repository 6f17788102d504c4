"""The vocabulary: every fact a rule may read and every event a machine may hear."""
