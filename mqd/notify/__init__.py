"""Floor 5: what the desk tells the world outside: a person, a supervisor, a file."""
