"""Who watches a desk for the world outside: notifications, a heartbeat, systemd."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from mqd.app.account import secret_of
from mqd.app.settings import Settings
from mqd.feeds.calendar import exchange_time_text
from mqd.ground.errors import MqdError, SettingsError
from mqd.notify.announcer import Announcer
from mqd.notify.heartbeat import Heartbeat
from mqd.notify.notifier import AppriseNotifier
from mqd.notify.post import Post
from mqd.notify.supervisor import SOCKET, Supervisor
from mqd.ports.clock import Clock
from mqd.runtime.desk import Watcher

_PATIENCE_S = 5.0  # for messages that still wait when the desk ends


class OutsideWatcher(Watcher, Protocol):
    """A watcher that has something to let go of."""

    def close(self, ended: str, patience_s: float) -> tuple[str, ...]:
        """Let go; `ended` is the error that ended the desk or ''. What a person should know."""
        ...


def outside_watchers(
    settings: Settings, environment: Mapping[str, str], clock: Clock
) -> tuple[OutsideWatcher, ...]:
    """The watchers that the config and the environment ask for; none is the usual case.

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
        watchers.append(Announcer(plan, posts, exchange_time_text))
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
