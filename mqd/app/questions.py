"""Asking the broker one thing after another: again where a moment later may bring an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mqd.brokers.alpaca.answers import answer_of, meaning_of
from mqd.brokers.alpaca.fields import read_json
from mqd.brokers.alpaca.session import UNREACHABLE, AlpacaSession, Reply
from mqd.ground.errors import MqdError
from mqd.ports.clock import Clock
from mqd.rules.book import BrokerRequests, BrokerWords
from mqd.streams.backoff import Backoff

_ASKED_AGAIN = 2


class UnansweredError(MqdError):
    """The broker did not say what was asked."""


class NobodyThereError(MqdError):
    """No connection could be made: to an exchange that does not run, or from a machine offline."""


class Questions:
    """Asks through a session, which is closed with it; `place` is where, for a person to read."""

    def __init__(
        self, session: AlpacaSession, words: BrokerWords, place: str, clock: Clock
    ) -> None:
        self._session = session
        self._words = words
        self._place = place
        self._tries = _Tries(words.requests, clock)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """What the broker says, as JSON.

        Raises:
            NobodyThereError: no connection could be made.
            UnansweredError: it does not say.
            MisfitError: what it says is no JSON.
        """
        while True:
            reply = self._session.get("read", path, query)
            if reply.is_good:
                return read_json(reply.text)
            if not (self._may_pass(reply) and self._tries.wait()):
                raise self._error(path, reply)

    def ask_once(self) -> None:
        """Ask nothing again."""
        self._tries.end()

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    def _may_pass(self, reply: Reply) -> bool:
        """Whether the same question may get another answer a moment later."""
        answer = answer_of("read", reply)
        return meaning_of(self._words, answer).means in {"unproved", "keys_in_doubt"}

    def _error(self, path: str, reply: Reply) -> MqdError:
        if reply.status == UNREACHABLE:
            return NobodyThereError(f"nobody answers at {self._place}")
        answer = answer_of("read", reply)
        row = meaning_of(self._words, answer)
        said = f"{answer.status} {answer.message[:80]}"
        return UnansweredError(f"{path}: {said} ({row.code}: {row.because})")


class _Tries:
    """How often a question is asked again, all questions together: one bad moment is no answer."""

    def __init__(self, requests: BrokerRequests, clock: Clock) -> None:
        self._pauses = Backoff(requests.first_pause_s, requests.longest_pause_s, lambda: 1.0)
        self._clock = clock
        self._left = _ASKED_AGAIN

    def wait(self) -> bool:
        """Wait before the next try; False where there was enough of them."""
        self._left -= 1
        if self._left < 0:
            return False
        self._clock.sleep(self._pauses.pause_s())
        return True

    def end(self) -> None:
        """Ask nothing again."""
        self._left = 0
