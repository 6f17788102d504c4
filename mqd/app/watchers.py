"""Who watches a desk for the world outside: notifications, a heartbeat, systemd."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from mqd.app.account import secret_of
from mqd.app.settings import Settings
from mqd.engine.state import DeskState
from mqd.feeds.calendar import exchange_time_text
from mqd.ground.errors import MqdError, SettingsError
from mqd.model.decision import Outcome
from mqd.model.event import Event, SessionClosed
from mqd.notify.announcer import Announcer
from mqd.notify.heartbeat import Heartbeat
from mqd.notify.notifier import AppriseNotifier
from mqd.notify.post import Post
from mqd.notify.supervisor import SOCKET, Supervisor
from mqd.ports.clock import Clock
from mqd.publish.latency_watch import LatencyWatch
from mqd.rules.book import Limit, RuleBook
from mqd.runtime.desk import Watcher

_PATIENCE_S = 5.0  # for messages that still wait when the desk ends


class OutsideWatcher(Watcher, Protocol):
    """A watcher that has something to let go of."""

    def close(self, ended: str, patience_s: float) -> tuple[str, ...]:
        """Let go; `ended` is the error that ended the desk or ''. What a person should know."""
        ...


class SlowSteps:
    """Watches how long orders take; says at the end of a session what took longer than it may."""

    def __init__(self, limits: tuple[Limit, ...]) -> None:
        self._limits = limits
        self._watch = LatencyWatch()

    def __call__(self, event: Event, outcome: Outcome, state: DeskState) -> tuple[str, ...]:
        """One line for each step that was too slow, with the session's last event."""
        self._watch.saw(event, outcome, state)
        if not isinstance(event, SessionClosed):
            return ()
        self._watch.holds_to(event.date, self._limits)
        report = self._watch.report("", event.date)
        return tuple(f"too slow: {slow.text}" for _, slow in report.too_slow)


def outside_watchers(
    settings: Settings,
    environment: Mapping[str, str],
    clock: Clock,
    book: RuleBook | None = None,
) -> tuple[OutsideWatcher, ...]:
    """The watchers that the config and the environment ask for; none is the usual case.

    A session's summary says which of its steps took longer than the limits of `book` allow, and
    which strategies are not in the state in which their life begins.

    Raises:
        SettingsError: an address is missing or not known, apprise is missing, or the heartbeat's
            file cannot be touched. No address is repeated.
    """
    watchers: list[OutsideWatcher] = []
    if settings.heartbeat_file:
        watchers.append(Heartbeat(Path(settings.heartbeat_file), clock))
    if environment.get(SOCKET):
        watchers.append(Supervisor(environment[SOCKET], clock))
    plan = settings.notify_plan()
    if plan.variables:
        # All addresses are read before the first thread starts.
        notifiers = [item for name in plan.variables for item in _notifiers(name, environment)]
        posts = tuple(Post(name, notifier) for name, notifier in notifiers)
        slow = SlowSteps(() if book is None else book.limits)
        begins = "" if book is None else book.strategy_machine.initial
        watchers.append(Announcer(plan, posts, exchange_time_text, slow, begins))
    return tuple(watchers)


def close_watchers(
    watchers: Iterable[OutsideWatcher], error: BaseException | None = None
) -> tuple[str, ...]:
    """Let go of all of them, after an error if there was one; lines for a person.

    Waits a few seconds for messages on their way, and not at all after a second Ctrl-C.
    """
    patience_s = 0.0 if isinstance(error, KeyboardInterrupt) else _PATIENCE_S
    ended = ""
    if isinstance(error, MqdError | OSError):
        ended = str(error)
    elif isinstance(error, Exception):
        ended = type(error).__name__  # its words are for the log of the process
    return tuple(line for each in watchers for line in each.close(ended, patience_s))


def _notifiers(name: str, environment: Mapping[str, str]) -> Iterable[tuple[str, AppriseNotifier]]:
    """One for each address in a variable, named after its place there."""
    addresses = secret_of(name, environment).split()
    if not addresses:
        raise SettingsError(f"{name} is not set; the config's `notify` names it")
    for number, address in enumerate(addresses, 1):
        place = f"address {number} of {name}"
        try:
            yield place, AppriseNotifier(address)
        except SettingsError as error:
            raise SettingsError(f"{place}: {error}") from None
