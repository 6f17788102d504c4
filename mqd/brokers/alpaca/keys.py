"""Whether the keys work: one answer that refuses them is not the last word."""

from __future__ import annotations

from threading import Lock

from mqd.brokers.alpaca.answers import READ, Answer, answer_of
from mqd.brokers.alpaca.asking import Asker

LOCKED_OUT, IN_DOUBT = "locked_out", "keys_in_doubt"
KEYS_REFUSED = frozenset({LOCKED_OUT, IN_DOUBT})
"""What answers mean that speak against the keys."""

_PATH = "/account"


class KeyDoubt:
    """Asks for the account once more before keys count as refused; for all workers of a broker.

    A gateway in trouble, or one odd answer, must not stop a desk that has a position to leave: only
    the broker's own words, in its own form, lock it out, and where the rules put the keys in doubt
    they have to be said twice. One worker asks at a time; what was answered before the keys were
    seen to work is settled by that.
    """

    def __init__(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._lock = Lock()
        self._worked_ns = -1
        self._are_refused = False

    def is_lockout(self, asker: Asker, answer: Answer) -> bool:
        """Whether an answer that speaks against the keys stands.

        Raises:
            ClosingError: the desk goes down.
        """
        if asker.meaning(answer).means == LOCKED_OUT:
            return answer.is_own
        came_ns = asker.clock.monotonic_ns()
        with self._lock:
            if not self._are_refused and self._worked_ns < came_ns:
                asker.pause(self._pause_s)
                self._ask(asker)
            return self._are_refused

    def _ask(self, asker: Asker) -> None:
        asker.wait(is_urgent=True)
        asked_ns = asker.clock.monotonic_ns()
        reply = asker.heed(READ, asker.session.get("account", _PATH))
        if reply.is_good:
            self._worked_ns = asked_ns
            return
        answer = answer_of(READ, reply)
        self._are_refused = answer.is_own and asker.meaning(answer).means in KEYS_REFUSED
