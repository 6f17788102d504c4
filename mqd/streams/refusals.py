"""How a stream or an answer can fail its listener, by what helps."""

from __future__ import annotations

from mqd.ground.errors import Unavailable


class KeysRefused(Unavailable):
    """The keys do not work; trying again changes nothing."""


class PlaceTaken(Unavailable):
    """Another connection has the only place; it may take long until that one counts as gone."""


class NotPermitted(Unavailable):
    """The keys work, but not for what was asked for; only a person can change that."""


class ConnectionDropped(Unavailable):
    """The connection ended, or was never made."""


class AskLater(Unavailable):
    """Too many requests, or a passing fault; `pause_s` is how long the other side wants to rest."""

    def __init__(self, text: str, pause_s: float = 0.0) -> None:
        self.pause_s = pause_s
        super().__init__(text)
