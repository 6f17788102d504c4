"""Why a strategy opened nothing on so many bars, in sentences for a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mqd.cli.happenings import both_times

if TYPE_CHECKING:
    from mqd.publish.closed import Closed


def closed_sentences(strategy: str, closed: Iterable[tuple[Closed, int]]) -> Iterator[str]:
    """One for each reason, with the bars that were decided while it stood."""
    for why, bars in closed:
        decided = "1 bar" if bars == 1 else f"{bars:,} bars"
        yield f"On {decided} {strategy} could open nothing: {why.text(both_times)}."
