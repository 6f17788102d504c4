"""What a desk is asked before it trades: nothing is changed, everything found is told at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from mqd.app.account import LIVE, Account
from mqd.app.questions import NobodyThereError, Questions
from mqd.app.series import series_warnings
from mqd.app.settings import Settings
from mqd.brokers.alpaca.fields import (
    MisfitError,
    Row,
    instant_of,
    row_of,
    rows_of,
    text_of,
)
from mqd.brokers.alpaca.properties import read_properties
from mqd.brokers.alpaca.session import AlpacaSession
from mqd.brokers.alpaca.wire import (
    AccountFacts,
    read_account,
    read_execution,
    read_order,
    read_position,
)
from mqd.feeds.calendar import EXCHANGE_ZONE, ExchangeCalendar, exchange_datetime
from mqd.ground.errors import MqdError, SettingsError
from mqd.ground.times import NS_PER_S, clock_text, to_datetime
from mqd.model.snapshot import SymbolProperties
from mqd.ports.calendar import Session
from mqd.ports.clock import Clock
from mqd.publish.before_a_run import warnings_before
from mqd.rules.book import RuleBook
from mqd.store.database import file_of, journal_url, refuse_other_files
from mqd.store.limits import DEFAULT as JOURNAL_LIMITS

OK: Literal["ok"] = "ok"
WARNING: Literal["warning"] = "warning"
FAILED: Literal["failed"] = "failed"

_SESSIONS_COMPARED = 5
_PAPER_NUMBER = "PA"
_IS_IT_RUNNING = "is `mqd exchange` running?"
_IS_IT_ONLINE = "is this machine online? If it is, the broker's status page may tell more"
_MEGABYTE = 1024 * 1024


STARTS: Literal["starts"] = "starts"
ENTRIES: Literal["entries"] = "entries"
"""What a failed check stops: every start; or entries alone, where the desk has to get out of a
position or has an order that works. Without either nothing starts after a check that failed.
"""


class Check(NamedTuple):
    """One question and its answer; `hint` says what to do where it is not fine.

    `stops` says what the desk may not do where it failed.
    """

    name: str
    verdict: str
    said: str
    hint: str = ""
    stops: str = STARTS


class Preflight:
    """Asks everything that can be asked before the first order.

    A question that ends in an error is a failed check, not the end of the questions. `checks` says
    of each what it stops: whose account this is, with which money and rules, has to be right for
    any start; what may have changed overnight must not keep a desk from its exits.
    """

    def __init__(
        self,
        settings: Settings,
        account: Account,
        book: RuleBook,
        clock: Clock,
        session: AlpacaSession,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings = settings
        self._account = account
        self._book = book
        self._clock = clock
        self._environment = environment
        place = account.addresses.trading_url
        self._questions = Questions(session, book.broker_words, place, clock)
        self._is_nobody_there = False
        self.account_number = ""
        self.properties: list[SymbolProperties] = []

    def checks(self, journal_place: str) -> Iterator[Check]:
        """Every check, in an order in which a person would mend what they find."""
        yield from self._asked("rules", self._rules)
        yield from self._asked("journal", lambda: self._journal(journal_place))
        yield from self._asked("account", self._the_account)
        if self._is_nobody_there:
            return  # every other question would wait as long, and come to the same
        yield from self._asked("clock", self._time, ENTRIES)
        yield from self._asked("calendar", self._calendar, ENTRIES)
        for symbol in sorted({each.symbol for each in self._book.strategies if each.runs}):
            yield from self._asked(f"asset {symbol}", partial(self._asset, symbol), ENTRIES)
        yield from self._asked("shapes", self._shapes, ENTRIES)

    def account_checks(self, *, may_send: bool) -> Iterator[Check]:
        """Whether this is the account that is meant; before orders, also whether it may trade."""
        if may_send:
            yield from self._real_money()
            yield from self._asked("account", self._the_account)
        else:
            yield from self._asked("account", lambda: [self._number(self._facts())])

    def time_checks(self) -> Iterator[Check]:
        """Whether the broker's clock is ours; asked once, of a desk that runs.

        Raises:
            MqdError: it does not say.
            MisfitError: what it says cannot be read.
        """
        self._questions.ask_once()
        if not self._account.is_exchange_time:
            yield from self._time()

    def today_checks(self) -> Iterator[Check]:
        """Whether today's hours at the broker are ours; asked once, of a desk that runs.

        Raises:
            MqdError: it does not say.
            MisfitError: what it says cannot be read.
        """
        self._questions.ask_once()
        now_ns = self._clock.now_ns()
        session = ExchangeCalendar().session_on(now_ns)
        day = f"{exchange_datetime(now_ns):%F}"
        yield from self._compared(day, day, [] if session is None else [session])

    def close(self) -> None:
        """Let go of the connection."""
        self._questions.close()

    def _asked(
        self, name: str, question: Callable[[], Iterable[Check]], stops: str = STARTS
    ) -> Iterator[Check]:
        try:
            for check in question():
                yield check._replace(stops=stops) if stops == ENTRIES else check
        except NobodyThereError as error:
            self._is_nobody_there = True
            hint = _IS_IT_RUNNING if self._settings.profile == "practice" else _IS_IT_ONLINE
            yield Check(name, FAILED, str(error), hint, stops)
        except (MqdError, MisfitError, OSError) as error:
            yield Check(name, FAILED, str(error), stops=stops)

    # -- here ------------------------------------------------------------------------------------

    def _rules(self) -> Iterator[Check]:
        digest = self._book.digest
        yield Check("rules", OK, f"no problems; digest {digest[:12]}")
        if self._settings.profile == "live" and self._settings.approved_rules != digest:
            was = self._settings.approved_rules[:12] or "none"
            yield Check(
                "approved rules", FAILED, f"approved for real money: {was}",
                f"after a review, set `approved_rules: {digest}` in the config",
            )  # fmt: skip
        profile = self._settings.profile
        for line in warnings_before(self._book, profile):
            yield Check("strategies", WARNING, line)
        for line in series_warnings(self._book, profile, self._settings.series):
            yield Check("daily values", WARNING, line)
        yield from self._real_money()

    def _real_money(self) -> Iterator[Check]:
        """Whether somebody wants it, and has said of which account."""
        if self._settings.profile != "live":
            return
        if self._environment.get(LIVE) != "yes":
            yield Check(
                LIVE, FAILED, "real money is not wanted by the environment",
                f"set {LIVE}=yes where the desk is started, and nowhere else",
            )  # fmt: skip
        if not self._settings.account:
            yield Check(
                "account", FAILED, "the config names no account", "set `account:` to its number"
            )

    def _journal(self, place: str) -> Iterator[Check]:
        file = file_of(journal_url(place))
        if file is None:
            yield Check("journal", OK, "on a server; it is looked at when the desk opens it")
            return
        if not file.is_dir():  # each run of a rehearsal makes a journal of its own in a folder
            refuse_other_files(place)
        folder = _existing(file.parent)
        free = shutil.disk_usage(folder).free
        verdict = OK if free > JOURNAL_LIMITS.reserve_bytes else FAILED
        said = f"{free // _MEGABYTE:,} MB free at {folder}"
        yield Check("disk", verdict, said, "" if verdict == OK else "make room first", ENTRIES)

    # -- at the broker ---------------------------------------------------------------------------

    def _facts(self) -> AccountFacts:
        facts = read_account(self._questions.get("/account"))
        self.account_number = facts.number or ""
        return facts

    def _the_account(self) -> Iterator[Check]:
        facts = self._facts()
        number = self.account_number
        yield self._number(facts)
        if facts.is_blocked is None:
            yield Check("account", WARNING, "it does not say whether it is blocked")
        elif facts.is_blocked or (facts.status or "ACTIVE") != "ACTIVE":
            state = "blocked" if facts.is_blocked else facts.status
            said = f"{number} is {state}"
            yield Check("account", FAILED, said, "ask the broker why", ENTRIES)
        yield _money(facts)
        if facts.unsaid:
            said = ", ".join(facts.unsaid)
            yield Check("account", WARNING, f"fields that it does not have any more: {said}")

    def _number(self, facts: AccountFacts) -> Check:
        number = facts.number or ""
        wanted, profile = self._settings.account, self._settings.profile
        if wanted and number != wanted:
            return Check(
                "account", FAILED, f"the keys are for {number or 'no account'}, not {wanted}",
                "other keys, or another number in the config",
            )  # fmt: skip
        is_play_money = number.startswith(_PAPER_NUMBER)
        if (profile == "paper" and not is_play_money) or (profile == "live" and is_play_money):
            return Check(
                "account", FAILED, f"{number or 'it'} is not an account for {profile}",
                f"numbers of play money begin with {_PAPER_NUMBER}",
            )  # fmt: skip
        return Check("account", OK, f"{number} for {profile}")

    def _time(self) -> Iterator[Check]:
        before_ns = self._clock.now_ns()
        there_ns = instant_of(row_of(self._questions.get("/clock")), "timestamp")
        if self._account.is_exchange_time:
            yield Check("clock", OK, f"the exchange's own: {to_datetime(there_ns):%F %T} UTC")
            return
        # It was told somewhere between question and answer, and an answer may be slow.
        nearest_ns = min(max(there_ns, before_ns), self._clock.now_ns())
        offset_s = (there_ns - nearest_ns) / NS_PER_S
        most_s = self._book.broker_words.requests.most_clock_offset_s
        verdict = OK if abs(offset_s) <= most_s else FAILED
        yield Check(
            "clock", verdict, f"the broker's is {offset_s:+.2f} s from ours, {most_s:g} s may be",
            "" if verdict == OK else "set this machine's clock (chrony, ntpd)",
        )  # fmt: skip

    def _calendar(self) -> Iterator[Check]:
        ours = ExchangeCalendar()
        there_ns = instant_of(row_of(self._questions.get("/clock")), "timestamp")
        today = ours.session_on(there_ns)
        sessions = [] if today is None else [today]
        at_ns = there_ns if today is None else max(there_ns, today.open_ns)
        while len(sessions) < _SESSIONS_COMPARED:
            session = ours.next_session(at_ns)
            sessions.append(session)
            at_ns = session.open_ns
        yield from self._compared(sessions[0].date, sessions[-1].date, sessions)

    def _compared(self, first: str, last: str, sessions: Iterable[Session]) -> Iterator[Check]:
        """Our sessions of some days against the broker's."""
        rows = rows_of(
            self._questions.get("/calendar", {"start": first, "end": last}), "the calendar"
        )
        theirs = {text_of(row, "date"): _hours(row) for row in rows}
        last = max(theirs, default=last)  # what it does not tell yet is no closed day
        here = {
            each.date: (
                clock_text(each.open_time_s),
                f"{exchange_datetime(each.close_ns):%H:%M}",
            )
            for each in sessions
            if each.date <= last
        }
        for day in sorted(here.keys() | theirs.keys()):
            if here.get(day) != theirs.get(day):
                # A day that is still to come is asked about again; real money waits all the same.
                matters = day == first or self._settings.profile == "live"
                yield Check(
                    "calendar", FAILED if matters else WARNING,
                    f"{day}: {_said(here.get(day))} here, {_said(theirs.get(day))} at the broker",
                    "a newer exchange-calendars knows closures announced late",
                )  # fmt: skip
                return
        span = f"on {first}" if first == last else f"from {first} to {last}"
        yield Check("calendar", OK, f"the same {span}")

    def _asset(self, symbol: str) -> Iterator[Check]:
        row = row_of(self._questions.get(f"/assets/{symbol}"))
        name = f"asset {symbol}"
        found = read_properties(row, self._clock.now_ns())
        if not self._account.is_exchange_time:  # else its time is another one, and it is asked anew
            self.properties.append(found)
        if not found.is_tradable:
            yield Check(name, FAILED, f"it is {row.get('status')}, tradable: {row.get('tradable')}")
        elif not found.is_fractionable:
            yield Check(
                name, WARNING, "it trades in whole shares only",
                "sizes are rounded down to whole shares",
            )  # fmt: skip
        else:
            yield Check(name, OK, "active, tradable, in parts of a share")

    def _shapes(self) -> Iterator[Check]:
        """Whether what the broker has can be read; an account that is new has little of it."""
        readers: dict[str, tuple[str, Callable[[Row], object], dict[str, str]]] = {
            "orders": ("/orders", read_order, {"status": "all", "limit": "50"}),
            "positions": ("/positions", read_position, {}),
            "executions": ("/account/activities/FILL", read_execution, {"page_size": "50"}),
        }
        read: list[str] = []
        for name, (path, reader, query) in readers.items():
            rows = rows_of(self._questions.get(path, query), name)
            for row in rows:
                reader(row)
            read.append(f"{len(rows)} {name}")
        yield Check("shapes", OK, f"read: {', '.join(read)}")


def refuse_failed(found: Iterable[Check], what: str) -> None:
    """Let nothing go on after a check that failed.

    Raises:
        SettingsError: one did; every one is named.
    """
    failed = [check for check in found if check.verdict == FAILED]
    if failed:
        said = "; ".join(f"{check.name}: {check.said}" for check in failed)
        hint = failed[0].hint if len(failed) == 1 else ""
        raise SettingsError(f"{what}: {said}; {hint or '`mqd doctor` tells it all'}")


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _money(facts: AccountFacts) -> Check:
    if facts.cash_usd is None:
        return Check("cash", WARNING, "the account does not say it", "cash cannot be compared")
    return Check("cash", OK, f"{facts.cash_usd:,.2f} {facts.currency or 'USD'}")


def _hours(row: Row) -> tuple[str, str]:
    date.fromisoformat(text_of(row, "date"))
    return text_of(row, "open"), text_of(row, "close")


def _said(hours: tuple[str, str] | None) -> str:
    return "closed" if hours is None else f"{hours[0]} to {hours[1]} {EXCHANGE_ZONE.key}"
