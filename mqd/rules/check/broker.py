"""A broker's words, what its answers mean, and how it is asked."""

from __future__ import annotations

from collections.abc import Iterable

from mqd.rules.book import BrokerAnswer, BrokerRequests, BrokerWord, BrokerWords, Limit, Window
from mqd.rules.check.document import Document
from mqd.rules.check.forms import read_forms
from mqd.rules.check.limits import read_limit
from mqd.rules.problems import did_you_mean
from mqd.rules.words.acts import (
    ANY,
    BROKER_NEWS,
    BROKER_REQUESTS,
    BROKER_WORDS,
    MEANINGS_FOR,
    REQUESTS,
)

CODES = {
    "ANSWER_NOT_OF_REQUEST": "An answer to a request means what only another request can hear.",
    "ANSWER_NEVER_REACHED": "An answer stands below others that fit whatever it fits.",
    "ANSWER_MISSING": "An answer to a request could fit nothing that is declared.",
}


def read_broker(document: Document) -> BrokerWords | None:
    """All that a broker says and how it is asked, or None when problems were noted."""
    answers = tuple(_answer(document, code.text) for code, _ in document.pairs("answers"))
    _check_meanings(document, answers)
    _check_reached(document, answers)
    _check_total(document, answers)
    forms = read_forms(document)
    limits = [read_limit(document, ("requests", name)) for name in BROKER_REQUESTS]
    numbers = tuple(limit for limit in limits if limit is not None)
    if len(numbers) < len(limits) or any(isinstance(each.value, Window) for each in numbers):
        return None
    return BrokerWords(
        header=document.header(),
        statuses=_words(document, "statuses", BROKER_WORDS),
        news=_words(document, "news", BROKER_NEWS),
        answers=answers,
        forms=forms,
        request_limits=numbers,
        requests=_requests(numbers),
    )


def _words(
    document: Document, key: str, known: dict[str, tuple[str, ...]]
) -> tuple[BrokerWord, ...]:
    return tuple(
        BrokerWord(
            word=word,
            means=document.text(key, word, "means"),
            because=document.text(key, word, "because"),
            place=document.key_place(key, word),
        )
        for word in known.get(document.id, ())
    )


def _answer(document: Document, code: str) -> BrokerAnswer:
    path = ("answers", code)
    return BrokerAnswer(
        code=code,
        request=document.text(*path, "request"),
        status=document.text(*path, "status"),
        error_code=document.text(*path, "error_code") or None,
        says=document.text(*path, "says") or None,
        means=document.text(*path, "means"),
        because=document.text(*path, "because"),
        place=document.key_place(*path),
    )


def _requests(limits: Iterable[Limit]) -> BrokerRequests:
    said = {limit.name: float(str(limit.value)) for limit in limits}
    return BrokerRequests(
        connect_timeout_s=said["connect_timeout"],
        read_timeout_s=said["read_timeout"],
        most_per_minute=int(said["most_per_minute"]),
        kept_for_exits=said["kept_for_exits"],
        most_queued=int(said["most_queued"]),
        first_pause_s=said["first_pause"],
        longest_pause_s=said["longest_pause"],
        stale_after_bars=int(said["stale_after_bars"]),
        tick_s=said["tick"],
        most_clock_offset_s=said["most_clock_offset"],
        symbols_every_s=said["symbols_every"],
        history_page=int(said["history_page"]),
    )


# -- the answers as a whole ------------------------------------------------------------------------


def _check_meanings(document: Document, answers: tuple[BrokerAnswer, ...]) -> None:
    """A cancel cannot be found to exist, nor a new order to have ended."""
    for answer in answers:
        known = MEANINGS_FOR.get(answer.request)
        is_told = not answer.means or known is None  # the form of it was told
        if not is_told and known is not None and answer.means not in known:
            path = ("answers", answer.code)
            asked = "every request" if answer.request == ANY else f"a `{answer.request}`"
            document.note(
                document.place_of(*path, "means"), path, "ANSWER_NOT_OF_REQUEST",
                f"No answer to {asked} can mean `{answer.means}`.",
                did_you_mean(answer.means, known),
            )  # fmt: skip


def _check_reached(document: Document, answers: tuple[BrokerAnswer, ...]) -> None:
    """What is never reached misleads its reader: the answer means what stands above it."""
    for number, answer in enumerate(answers):
        above = answers[:number]
        covering = [_covering(above, answer, request) for request in _requests_of(answer)]
        if covering and all(covering):
            names = " or ".join(dict.fromkeys(f"`{found.code}`" for found in covering if found))
            document.note(
                answer.place, ("answers", answer.code), "ANSWER_NEVER_REACHED",
                f"`{answer.code}` is never reached: whatever it fits, {names} above it fits first.",
                f"move it above {names}, or remove it",
            )  # fmt: skip


def _check_total(document: Document, answers: tuple[BrokerAnswer, ...]) -> None:
    """Something fits every answer: for each request there is one that asks for nothing else."""
    whole = {
        answer.request
        for answer in answers
        if (answer.status, answer.error_code, answer.says) == (ANY, None, None)
    }
    left = [f"`{request}`" for request in REQUESTS if whole.isdisjoint({ANY, request})]
    if answers and left:
        document.note(
            document.key_place("answers"), ("answers",), "ANSWER_MISSING",
            f"There are answers to {' or '.join(left)} that fit nothing here.",
            "let the last one say `status: any` and neither `error_code` nor `says`",
        )  # fmt: skip


def _requests_of(answer: BrokerAnswer) -> tuple[str, ...]:
    if answer.request == ANY:
        return tuple(REQUESTS)
    return (answer.request,) if answer.request in REQUESTS else ()


def _covering(
    above: Iterable[BrokerAnswer], answer: BrokerAnswer, request: str
) -> BrokerAnswer | None:
    """The first of those above that fits everything this one fits of a request."""
    return next((each for each in above if _covers(each, answer, request)), None)


def _covers(upper: BrokerAnswer, lower: BrokerAnswer, request: str) -> bool:
    return (
        upper.request in {ANY, request}
        and _covers_status(upper.status, lower.status)
        and upper.error_code in {None, lower.error_code}
        and (upper.says is None or upper.says in (lower.says or ""))
    )


def _covers_status(upper: str, lower: str) -> bool:
    hundred = f"{lower[:1]}xx" if lower.isdigit() else lower
    return upper in {ANY, lower, hundred}
