"""Floor 1: frozen facts and commands; what the desk knows and what it asks for."""
