"""What came of a request, as the rules' table of answers is asked about it.

Neither `.code` nor `.message` of alpaca-py's error is touched: they raise where a gateway answers
with HTML or where the broker gives no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from mqd.brokers.alpaca.fields import MisfitError, read_json
from mqd.brokers.alpaca.session import UNREADABLE, Reply
from mqd.ground.times import NS_PER_S, to_ns
from mqd.rules.book import BrokerAnswer, BrokerWords

SUBMIT, CANCEL, LOOK_UP, READ = "submit", "cancel", "look_up", "read"
_MOST_WORDS = 300


class Answer(NamedTuple):
    """An answer that is no success; `message` is the whole body where it names none.

    `is_own` says that the message is the broker's own, which the page of a proxy is not.
    """

    request: str
    status: str
    error_code: str | None
    message: str
    is_own: bool = False

    @property
    def code(self) -> str:
        """What to call it: the broker's own code, or the number or word of the answer."""
        return self.error_code or self.status

    @property
    def words(self) -> str:
        """What to say of it, in a line."""
        message = " ".join(self.message.split())[:_MOST_WORDS]
        return f"{self.status}: {message}" if message else self.status


class Allowance(NamedTuple):
    """What an answer says of the requests that are left, and of how long to wait; in seconds."""

    left: int | None
    back_s: float | None
    pause_s: float | None


def answer_of(request: str, reply: Reply) -> Answer:
    """The answer in a reply that is no success."""
    error_code, message, is_own = None, reply.text, False
    try:
        body = read_json(reply.text)
    except MisfitError:
        body = None
    if isinstance(body, dict):
        code, said = body.get("code"), body.get("message")
        if isinstance(code, (str, int)) and not isinstance(code, bool):
            error_code = _with_bytes(str(code)[:_MOST_WORDS])
        if isinstance(said, str):
            message, is_own = _with_bytes(said), True
    return Answer(request, reply.status, error_code, message, is_own)


def _with_bytes(text: str) -> str:
    """The text without halves of surrogate pairs: JSON can escape what no journal holds."""
    return text.encode("utf-8", "replace").decode()


def unreadable_answer(request: str, reason: str) -> Answer:
    """A success in a form that nobody can read."""
    return Answer(request, UNREADABLE, None, reason)


def meaning_of(words: BrokerWords, answer: Answer) -> BrokerAnswer:
    """The line of the rules that says what this answer means; only the broker's words count."""
    message = answer.message if answer.is_own else ""
    return words.answer(answer.request, answer.status, answer.error_code, message)


def allowance_of(headers: Mapping[str, str], now_ns: int) -> Allowance:
    """What the headers of an answer say; None for what they do not, or not in numbers."""
    reset_s = _seconds(headers.get("X-Ratelimit-Reset"))
    back_s = None if reset_s is None else reset_s - now_ns / NS_PER_S
    left = _seconds(headers.get("X-Ratelimit-Remaining"))
    pause_s = _pause(headers.get("Retry-After"), now_ns)
    if pause_s is None and back_s is not None and back_s > 0:
        pause_s = back_s
    return Allowance(None if left is None else int(left), back_s, pause_s)


def _pause(text: str | None, now_ns: int) -> float | None:
    seconds = _seconds(text)
    if seconds is not None or text is None:
        return seconds
    try:
        return max(0.0, (to_ns(parsedate_to_datetime(text)) - now_ns) / NS_PER_S)
    except (ValueError, TypeError, OverflowError):
        return None


def _seconds(text: str | None) -> float | None:
    text = (text or "").strip()
    is_number = text.isascii() and text.replace(".", "", 1).isdigit() and len(text) < 20
    return float(text) if is_number else None
