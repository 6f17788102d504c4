"""The portfolio: the account that is assumed, what may be invested, and who may use how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from mqd.ground.canonical import decimal_text
from mqd.ground.units import USD
from mqd.rules.book import Allotment, Condition, Limit, Portfolio, Reallocation, Strategy
from mqd.rules.check.conditions import fact_scope, read_one
from mqd.rules.check.document import Document
from mqd.rules.check.limits import PREFIX, read_limit, referred
from mqd.rules.check.planned import at_rest, constants_of, refused_everywhere
from mqd.rules.check.values import number
from mqd.rules.expressions import ir
from mqd.rules.problems import ERROR, WARNING, did_you_mean
from mqd.rules.words.facts import ALLOCATION
from mqd.rules.words.sharing import SHARING

CODES = {
    "ALLOCATION_ABOVE_WHOLE": "Strategies may use more than the whole account together.",
    "ALLOCATION_OUT_OF_RANGE": "A share of the account lies outside its own range.",
    "ALLOCATION_OF_NOBODY": "A share of the account is for a strategy that is not there.",
    "ALLOCATION_MISSING": "A strategy that trades has no share of the account.",
    "NO_ENTRY_POSSIBLE": "At the assumed size of the account a strategy can never enter.",
    "NOT_AN_AMOUNT": "The account's size is a limit that is no amount above 0.",
    "PORTFOLIO_MISSING": "A check reads the portfolio, and no document declares one.",
}

_VALUES = ("account_usd", "max_exposure", "reserve", "smallest_entry_usd")
_READ_OF_IT = {fact.name for fact in SHARING if "capital" in fact.name or "portfolio" in fact.name}
_TRADES = frozenset({"paper", "live"})
_DRAFT = "draft"


def read_portfolio(document: Document, limits: dict[str, Limit | None]) -> Portfolio | None:
    """The portfolio, or None where a part of it is wrong."""
    values = [_value(document, ("account", name), limits) for name in _VALUES]
    allotments = [_allotment(document, key.text) for key, _ in document.pairs("strategies")]
    reallocation = _reallocation(document)
    told = [each for each in allotments if each is not None]
    _check_whole(document, told)
    known = {
        each.name: each.value
        for each in values
        if each is not None and isinstance(each.value, Decimal)
    }
    if len(known) < len(_VALUES) or len(told) < len(allotments):
        return None
    return Portfolio(
        header=document.header(),
        values=tuple(each for each in values if each is not None),
        account_usd=known["account_usd"],
        max_exposure=known["max_exposure"],
        reserve=known["reserve"],
        smallest_entry_usd=known["smallest_entry_usd"],
        allotments=tuple(told),
        reallocation=reallocation,
        account_limit=_limit_named(document),
    )


def in_declared_order(
    strategies: Iterable[Strategy], portfolio: Portfolio | None
) -> tuple[Strategy, ...]:
    """The strategies as the portfolio lists them; those that it does not list by id, after."""
    found = tuple(strategies)
    if portfolio is None:
        return found
    places = {each.strategy: place for place, each in enumerate(portfolio.allotments)}
    return tuple(sorted(found, key=lambda each: (places.get(each.id, len(places)), each.id)))


def check_shares(
    document: Document,
    portfolio: Portfolio,
    strategies: list[Strategy | None],
    limits: dict[str, Limit | None],
    entry_checks: Iterable[Condition],
) -> None:
    """Who has a share is there, who trades has one, and it is enough for some entry."""
    known = {each.id for each in strategies if each is not None}
    if len(known) < len(strategies):
        return  # a strategy could not be read, which is told where it happened
    shares = {each.strategy: each for each in portfolio.allotments}
    for each in portfolio.allotments:
        if each.strategy not in known:
            document.note(
                each.place, ("strategies", each.strategy), "ALLOCATION_OF_NOBODY",
                f"There is no strategy `{each.strategy}`.", did_you_mean(each.strategy, known),
            )  # fmt: skip
    checks = [rule for rule in entry_checks if _reads_shares(rule)]
    for strategy in strategies:
        if strategy is None or strategy.status not in {*_TRADES, _DRAFT}:
            continue
        if strategy.id in shares:
            _check_some_entry(document, portfolio, strategy, limits, checks)
        elif strategy.status in _TRADES:
            document.notes.problems.add(
                strategy.header.place, strategy.id, "ALLOCATION_MISSING",
                f"`{strategy.id}` has no share of the account, so that it opens nothing.",
                f"give it one under `strategies` in the portfolio `{document.id}`", WARNING,
            )  # fmt: skip


def check_portfolio_is_there(document: Document, conditions: Iterable[Condition]) -> None:
    """What reads the portfolio needs one: without it every entry would be refused."""
    for rule in conditions:
        read = [name.name for name in ir.names(rule.when) if name.name in _READ_OF_IT]
        if read:
            document.note(
                document.place_of("entries", rule.code, "when"), ("entries", rule.code),
                "PORTFOLIO_MISSING",
                f"`{read[0]}` is read, and no document declares a portfolio.",
                "add `desk/portfolio.yaml` as `mqd init` writes it for a new desk",
            )  # fmt: skip


def _value(
    document: Document, path: tuple[str, ...], limits: dict[str, Limit | None]
) -> Limit | None:
    """A number of the account: its own, or that of a limit under its name here."""
    if not document.text(*path, "value").startswith(PREFIX):
        return read_limit(document, path)
    limit = referred(document, path, limits)
    if limit is None:
        return None
    if limit.unit != USD or limit.minimum <= 0:
        document.note(
            document.place_of(*path, "value"), path, "NOT_AN_AMOUNT",
            f"`{PREFIX}{limit.name}` is no amount that is always above 0.",
            "refer to a limit in usd whose `min` is above 0",
        )  # fmt: skip
        return None
    because, place = document.text(*path, "because"), document.key_place(*path)
    return replace(limit, name=path[-1], because=because, place=place)


def _limit_named(document: Document) -> str | None:
    text = document.text("account", "account_usd", "value")
    return text.removeprefix(PREFIX) if text.startswith(PREFIX) else None


def _allotment(document: Document, strategy: str) -> Allotment | None:
    path = ("strategies", strategy)
    share, low, high = (number(document.text(*path, key)) for key in ("share", "min", "max"))
    if share is None or low is None or high is None:
        return None
    if not low <= share <= high:
        document.note(
            document.place_of(*path, "share"), path, "ALLOCATION_OUT_OF_RANGE",
            f"The share of `{strategy}` is {_percent(share)}, outside its range "
            f"{_percent(low)} to {_percent(high)}.",
            "40 % is written 0.4; change the share, or its range if that is what you mean",
        )  # fmt: skip
        return None
    return Allotment(
        strategy, share, low, high, document.text(*path, "because"), document.key_place(*path)
    )


def _check_whole(document: Document, allotments: list[Allotment]) -> None:
    """All shares together; exactly the whole is allowed, a hundredth of a per cent more is not."""
    together = sum((each.share for each in allotments), Decimal(0))
    if together > 1:
        document.note(
            document.key_place("strategies"), ("strategies",), "ALLOCATION_ABOVE_WHOLE",
            f"The strategies may use {_percent(together)} of the account together.",
            "lower shares until they add up to 1, which is 100 %, or less",
        )  # fmt: skip


def _check_some_entry(
    document: Document,
    portfolio: Portfolio,
    strategy: Strategy,
    limits: dict[str, Limit | None],
    checks: list[Condition],
) -> None:
    """What an entry may cost at the assumed size, and what the planned one does; a draft may wait.

    What a protection leaves of a size does not count: an entry of the whole size has to pass.
    """
    allotment = next(each for each in portfolio.allotments if each.strategy == strategy.id)
    kept = 1 - portfolio.reserve
    room_usd = portfolio.account_usd * min(allotment.share, portfolio.max_exposure, kept)
    account, room = decimal_text(portfolio.account_usd), decimal_text(room_usd)
    refused = refused_everywhere(
        strategy, checks, constants_of(limits.values()), at_rest(portfolio, strategy.id)
    )
    if room_usd < portfolio.smallest_entry_usd:
        least = decimal_text(portfolio.smallest_entry_usd)
        said = f"`{strategy.id}` may use {room} USD, and the smallest entry is {least} USD."
        hint = "give it more, or keep less in reserve"
    elif refused is not None:
        cost = decimal_text(Decimal(f"{refused.cost_usd:.2f}"))
        said = (
            f"`{strategy.id}` may use {room} USD, and an entry of its size costs {cost} USD: "
            f"{' and '.join(refused.codes)} refuses each one."
        )
        hint = "give it more of the account, or let it buy for less"
    else:
        return
    document.notes.problems.add(
        allotment.place, document.rule("strategies", strategy.id), "NO_ENTRY_POSSIBLE",
        f"With an account of {account} USD {said}", hint,
        WARNING if strategy.status == _DRAFT else ERROR,
    )  # fmt: skip


def _reads_shares(rule: Condition) -> bool:
    return any(name.name in _READ_OF_IT for name in ir.names(rule.when))


def _reallocation(document: Document) -> Reallocation | None:
    if not document.pairs("reallocation"):
        return None
    scope = fact_scope(ALLOCATION)
    raises, returns = (
        read_one(document, ("reallocation", code), "when", scope, "skip", code)
        for code in ("raises", "returns")
    )
    by = number(document.text("reallocation", "step"))
    if raises is None or returns is None or by is None:
        return None
    return Reallocation(by, raises, returns, document.key_place("reallocation"))


def _percent(share: Decimal) -> str:
    return f"{decimal_text(share * 100)} %"
