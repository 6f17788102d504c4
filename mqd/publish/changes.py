"""One value of a decision changed to the nearest at which something else comes out.

Everything else stays as recorded, and the compiled rules decide again: a change is told only if
they then say what was wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from mqd.ground.units import BOOL, DURATION, EXCHANGE_TIME, PRICE, RATIO, TIME_OF_DAY, USD
from mqd.publish.figures import duration_text, exact, number_text, price_text
from mqd.publish.nearby import candidates, names_behind
from mqd.publish.recorded_values import given_text
from mqd.publish.situation import UNCERTAIN, Situation
from mqd.rules.book import Condition, Limit, Param, Window
from mqd.rules.check.limits import PREFIX
from mqd.rules.compile.measures import FUNCTIONS, OF_STEPS
from mqd.rules.compile.question import Given
from mqd.rules.expressions import ir
from mqd.rules.expressions.scope import LIMIT, MEASURE, PARAM

_FAR = float("inf")
_PAST = {"position.entry_price"}
_SESSION_S = 23_400.0


class Change(NamedTuple):
    """One value that would have had to be another: `after` instead of `before`, `by` so much.

    `turned` are the conditions that it makes true or false; `leads_to` is the decision then.
    `nearness` orders changes: the share of the value that it moves, of a session for times.
    `subject` is the name in the rules that was followed: a param's, where `name` is its limit.
    """

    subject: ir.Name
    name: str
    kind: str
    unit: str
    before: Given
    after: Given
    before_text: str
    after_text: str
    by: str
    turned: tuple[str, ...]
    leads_to: str
    nearness: float

    @property
    def rank(self) -> int:
        """What is told first: what the bar brought, then what follows bars, the past, the rules."""
        if self.kind in {PARAM, LIMIT}:
            return 3
        return 1 if self.kind == MEASURE else 2 if self.name in _PAST else 0


def nearest(
    situation: Situation, rules: Iterable[Condition], goal: Callable[[Situation], bool]
) -> tuple[Change, ...]:
    """For each name the nearest of the conditions' candidates that reaches the goal."""
    best: dict[str, Change] = {}
    was_true = situation.true_codes()
    for rule in rules:
        if not all(name.name in situation.values for name in ir.names(rule.when)):
            continue  # the record does not hold all that it reads
        moving = _moved_along(situation, rule)
        for name in names_behind(situation, rule.when):
            if name.name in moving:
                continue
            item, known_as = declaration_of(situation, name)
            for after in candidates(situation, rule.when, name, item):
                if not _is_allowed(after, item) or after == situation.given[name.name]:
                    continue
                change = change_of(situation, name, known_as, after)
                if known_as in best and best[known_as].nearness <= change.nearness:
                    continue
                changed = situation.changed(known_as, after)
                if goal(changed):
                    turned = tuple(sorted(was_true ^ changed.true_codes()))
                    best[known_as] = change._replace(turned=turned, leads_to=changed.outcome())
    found = sorted(best.values(), key=lambda change: (change.nearness, change.name))
    return tuple(change for change in found if change.leads_to != UNCERTAIN or change.turned)


def _moved_along(situation: Situation, rule: Condition) -> set[str]:
    """What a bar brought and the rule sets beside how far it goes: no change of it leaves that."""
    read = {name.name for name in ir.names(rule.when) if name.kind == MEASURE}
    return {
        fact
        for measure in situation.compiled.rules.measures
        if measure.name in read and measure.function in OF_STEPS
        for fact in FUNCTIONS[measure.function].facts(measure.of)
    }


def declaration_of(situation: Situation, name: ir.Name) -> tuple[Param | Limit | None, str]:
    """What gives the name its range, and the name under which it is changed: a limit is one."""
    limits = {PREFIX + item.name: item for item in situation.book.rules.limits}
    if name.kind == LIMIT:
        return limits[name.name], name.name
    param = situation.declared_as(name.name) if name.kind == PARAM else None
    if param is not None and param.limit is not None:
        return limits[PREFIX + param.limit], PREFIX + param.limit
    return param, name.name


def _is_allowed(after: Given, item: Param | Limit | None) -> bool:
    if item is None or after is None:
        return True
    if isinstance(after, Window):
        return item.minimum <= after.start_s and after.end_s <= item.maximum
    return item.minimum <= exact(after) <= item.maximum


def change_of(situation: Situation, name: ir.Name, known_as: str, after: Given) -> Change:
    """The change of one value to another, before anybody knows what it leads to."""
    before = situation.given[name.name]
    return Change(
        subject=name,
        name=known_as,
        kind=LIMIT if known_as.startswith(PREFIX) else name.kind,
        unit=name.unit.name,
        before=before,
        after=after,
        before_text=given_text(before, name),
        after_text=given_text(after, name),
        by=by_text(before, after, name),
        turned=(),
        leads_to="",
        nearness=_nearness(before, after, name),
    )


def _nearness(before: Given, after: Given, name: ir.Name) -> float:
    if isinstance(before, Window) and isinstance(after, Window):
        ends = abs(before.start_s - after.start_s) + abs(before.end_s - after.end_s)
        return ends / _SESSION_S
    if before is None or after is None or name.unit == BOOL or name.members:
        return _FAR
    assert not isinstance(before, Window)
    assert not isinstance(after, Window)
    moved = abs(float(after) - float(before))
    if name.unit in {TIME_OF_DAY, DURATION}:
        return moved / _SESSION_S
    return moved / max(abs(float(before)), abs(float(after)), 1e-12)


def by_text(before: Given, after: Given, name: ir.Name) -> str:
    """How far apart two values are: 2.84 USD lower, 4h 31m earlier; empty where nobody says so."""
    if before is None or after is None or name.unit in {BOOL, EXCHANGE_TIME} or name.members:
        return ""
    assert not isinstance(before, Window)
    assert not isinstance(after, Window)
    moved = exact(after) - exact(before)
    up, size = moved > 0, abs(moved)
    if name.unit == TIME_OF_DAY:
        return f"{duration_text(int(size))} {'later' if up else 'earlier'}"
    if name.unit == DURATION:
        return f"{duration_text(int(size))} {'longer' if up else 'shorter'}"
    if name.unit in {PRICE, USD}:
        return f"{price_text(size)} USD {'higher' if up else 'lower'}"
    if name.unit == RATIO:
        return f"{number_text(size * 100)} percentage points {'higher' if up else 'lower'}"
    if name.unit.is_count:
        return f"{number_text(size)} {'more' if up else 'fewer'}"
    return f"{number_text(size)} {name.unit.name} {'more' if up else 'less'}"
