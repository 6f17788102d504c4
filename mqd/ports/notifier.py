"""Who tells a person somewhere else."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

Tone = Literal["info", "warning", "failure"]


class Notice(NamedTuple):
    """One message for a person: a title of one line, a text of a few, and how bad it is."""

    title: str
    text: str
    tone: Tone = "info"


class Notifier(Protocol):
    """One place where messages go to; it may be slow, dead or wrong, and the desk never waits."""

    def tell(self, notice: Notice) -> None:
        """Deliver one message; returns when the place has taken it.

        Raises:
            Unavailable: it was not taken; it may be tried again.
        """
        ...
