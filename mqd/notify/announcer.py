"""The watcher that tells a person: it sees what is durable, and nothing that it does comes back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from mqd.engine.state import DeskState
from mqd.model.decision import Outcome
from mqd.model.event import DeskStarted, Event, OrderRejected, SessionClosed
from mqd.notify.lost_streams import LostStreams
from mqd.notify.plan import KINDS, NotifyPlan
from mqd.notify.post import Post
from mqd.notify.repeats import Repeats
from mqd.notify.telling import Told, summary, told
from mqd.ports.notifier import Notice, Tone

_MOST_LINES = 10
_LOUDNESS: tuple[Tone, ...] = ("info", "warning", "failure")
_HEARD = frozenset({DeskStarted, OrderRejected, SessionClosed})


Remarks = Callable[[Event, Outcome, DeskState], tuple[str, ...]]


def no_remarks(_event: Event, _outcome: Outcome, _state: DeskState) -> tuple[str, ...]:
    """Nothing besides."""
    return ()


class Announcer:
    """Writes messages of what the plan names, and leaves them at every post.

    `time_text` says an instant for people. `remarks` sees every event and says what belongs to the
    summary of a session besides; a strategy is told of there unless its life is in the state in
    which it `life_begins`. `failures` counts events that it could not tell of.
    """

    def __init__(
        self,
        plan: NotifyPlan,
        posts: tuple[Post, ...],
        time_text: Callable[[int], str],
        remarks: Remarks = no_remarks,
        life_begins: str = "",
    ) -> None:
        self._life_begins = life_begins
        self._remarks = remarks
        self._kinds = plan.kinds
        self._posts = posts
        self._time_text = time_text
        self._repeats = Repeats(plan.again_after_ns)
        self._streams = LostStreams(plan.stream_lost_after_ns)
        self._seen: Counter[str] = Counter()
        self._profile, self._now_ns = "", 0
        self.failures = 0

    def saw(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        """Tell of one event; never raises."""
        self._try(lambda: self._look(event, outcome, state))

    def close(self, ended: str, patience_s: float) -> tuple[str, ...]:
        """Tell why it ended, deliver what waits, and say what did not arrive; `ended` may be ''."""
        last = [Told("starts", (), f"the desk has ended: {ended}", "failure")] if ended else []
        wanted = [each for each in last if each.kind in self._kinds]
        self._try(lambda: self._send([*wanted, *self._repeats.rest()]))
        for post in self._posts:
            post.end()
        until_s = time.monotonic() + patience_s
        missing = {
            post.name: post.wait(max(0.0, until_s - time.monotonic())) for post in self._posts
        }
        lines = [f"{count} not delivered to {name}" for name, count in missing.items() if count]
        lines += [f"{self.failures} events could not be told"] * bool(self.failures)
        return tuple(f"notifications: {line}" for line in lines)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # no message is worth a desk
            self.failures += 1
            if self.failures == 1:
                self._put("notifications", f"one could not be written: {type(error).__name__}")

    def _look(self, event: Event, outcome: Outcome, state: DeskState) -> None:
        now_ns = self._now_ns = state.now_ns
        self._profile = state.profile
        found = [*self._streams.look(state)]
        remarks = self._remarks(event, outcome, state)
        if outcome.notes or type(event) in _HEARD:
            found += told(event, outcome)
            self._seen.update(each.kind for each in found)
            if isinstance(event, SessionClosed):
                found.append(self._summary(event, state))
                found += [Told("summary", (event.date, text), text, "warning") for text in remarks]
        again = self._repeats.due(now_ns)
        if found or again:
            wanted = (each for each in found if each.kind in self._kinds)
            self._send([*(each for each in wanted if self._repeats.is_new(each, now_ns)), *again])

    def _summary(self, event: SessionClosed, state: DeskState) -> Told:
        seen, self._seen = self._seen, Counter()
        return summary(
            event.date, state, {k: n for k, n in seen.items() if k != "starts"}, self._life_begins
        )

    def _send(self, items: list[Told]) -> None:
        """One message of all that one event led to, named after the worst of it."""
        if not items:
            return
        worst = max(items, key=lambda each: _LOUDNESS.index(each.tone))
        lines = [each.text for each in items[:_MOST_LINES]]
        if len(items) > _MOST_LINES:
            lines.append(f"and {len(items) - _MOST_LINES} more")
        if self._now_ns:
            lines.append(self._time_text(self._now_ns))
        self._put(KINDS[worst.kind], "\n".join(lines), worst.tone)

    def _put(self, title: str, text: str, tone: Tone = "warning") -> None:
        notice = Notice(f"mqd {self._profile}".rstrip() + f": {title}", text, tone)
        for post in self._posts:
            post.put(notice)
