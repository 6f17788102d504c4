"""`mqd status`: the journal replayed to its end; it is only read, so a desk may be running."""

from __future__ import annotations

from mqd.engine.state import DeskState
from mqd.ground.errors import SettingsError
from mqd.ports.journal import Journal
from mqd.publish.status import DeskStatus, StatusWatcher
from mqd.rules.book import RuleBook
from mqd.runtime.replay import replay


def desk_status(journal: Journal, shown_as: str) -> DeskStatus:
    """How the desk of this journal stands.

    Raises:
        SettingsError: the journal holds no desk yet.
        JournalError: the journal does not replay.
    """
    watcher = StatusWatcher()
    state: DeskState | None = None
    book: RuleBook | None = None
    for item in replay(journal):
        watcher.saw(item.event, item.outcome, item.state)
        state, book = item.state, item.engine.book.rules
    if state is None or book is None:
        raise SettingsError(f"the journal {shown_as} holds no desk yet; start one with `mqd run`")
    return watcher.status(state, book, shown_as)
