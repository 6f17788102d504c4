"""MiniQuantDesk: a trading desk whose behaviour is declared in reviewed YAML."""

__version__ = "0.1.0"
