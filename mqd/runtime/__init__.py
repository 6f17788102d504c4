"""Floor 5: the live loop; start-up, the loop itself, restart and shutdown."""
