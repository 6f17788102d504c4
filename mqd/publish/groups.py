"""Every condition that a decision met, kind by kind, in the order in which a reader asks."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from mqd.model.command import SubmitOrder
from mqd.model.decision import ENTER, EXIT, EXIT_WAITS, REFUSED
from mqd.publish.figures import FactValue
from mqd.publish.flips import in_question
from mqd.publish.judged import TRUE, Group, Judge, Judged
from mqd.publish.recorded_values import BAR_VALUES, RecordedValues, told_by_answers
from mqd.publish.situation import Situation
from mqd.publish.wording import lasts_text
from mqd.rules.book import Condition, Window
from mqd.rules.english import English
from mqd.rules.expressions import ir
from mqd.rules.words.facts import ENTRY_QTY

SETS_ASIDE = "Data rules that set a bar aside"
_ORDER_FACTS = ("order.qty", "order.price", "order.stop_loss")


def groups_of(
    situation: Situation,
    orders: list[SubmitOrder],
    smaller: frozenset[str] = frozenset(),
    *,
    with_flips: bool = True,
) -> tuple[Group, ...]:
    """The groups; last what would have set the bar aside before all others.

    `orders` are those that the decision made, `smaller` the protections that took of their size.
    """
    return _Groups(situation, orders, smaller, with_flips=with_flips).all()


class _Groups:
    def __init__(
        self,
        situation: Situation,
        orders: list[SubmitOrder],
        smaller: frozenset[str],
        *,
        with_flips: bool,
    ) -> None:
        self.smaller = smaller
        self.decision = situation.decision
        self.book = situation.book
        self.rules = situation.compiled.rules
        self.situation = situation
        values = self._values(orders)
        numbers = situation.values if situation.is_sound else situation.given
        turned = in_question(situation) if with_flips and situation.is_sound else ()
        wanted = frozenset(rule.code for rule in turned)
        limits = self.book.rules.limits
        own = English(self.rules.params, limits)
        self.own = Judge(values, own, numbers, situation, wanted)
        self.desk = Judge(values, English((), limits), numbers, situation, wanted)

    def all(self) -> tuple[Group, ...]:
        """Every group, the strategy's own first."""
        decision, whole, own, desk = self.decision, self.book.rules, self.own, self.desk
        is_held = self.situation.is_held
        no_exit = "" if is_held else "not looked at: no position was open"
        exits = own.judged(self.rules.exits, decision.exits, stands_against=False)
        return (
            Group("exits", "Exits", exits, no_exit),
            Group("no_trade", "NO-TRADE conditions (any true one keeps it from entering)",
                  own.judged(self.rules.no_trade, decision.no_trade)),
            Group("blocks_entries", "Data rules that block entries",
                  desk.judged(whole.blocks_entries.conditions, decision.data)),
            Group("protections", "Protections (true while one blocks entries, or makes them small)",
                  self._protections()),
            self._checks(is_exit=is_held or decision.outcome in {EXIT, EXIT_WAITS}),
            Group("sets_aside", SETS_ASIDE, desk.judged(whole.sets_aside.conditions, 0)),
        )  # fmt: skip

    def _protections(self) -> tuple[Judged, ...]:
        """One that tripped on an earlier bar holds on, whatever it reads now."""
        trips = [item.trips_when for item in self.book.rules.protections]
        holding = {item.rule.code for item in self.situation.protections() if item.is_latched}
        mask = self.decision.protections
        as_true = self.desk.judged(trips, mask)
        as_read = self.desk.judged(trips, mask, stands_against=False)
        return tuple(
            read._replace(holds=self._holds(true.code))
            if true.code in holding
            else self._smaller(true)
            for true, read in zip(as_true, as_read, strict=True)
        )

    def _smaller(self, judged: Judged) -> Judged:
        """One that makes entries smaller stands in nobody's way, so that no mask tells of it."""
        found = next(item for item in self.book.rules.protections if item.id == judged.code)
        if found.sizes is None:
            return judged
        is_true = judged.code in self.smaller or self.situation.reads_true(found.trips_when)
        return judged._replace(truth=TRUE) if is_true else judged

    def _holds(self, protection: str) -> str:
        found = next(item for item in self.book.rules.protections if item.id == protection)
        return f"it tripped on an earlier bar and blocks {lasts_text(found.lasts)}"

    def _checks(self, *, is_exit: bool) -> Group:
        """The last look at an order; where there was none, what each would have said."""
        whole = self.book.rules
        conditions = (whole.exit_checks if is_exit else whole.entry_checks).conditions
        title = f"Checks before an {'exit' if is_exit else 'entry'} leaves"
        if self.decision.outcome in {ENTER, REFUSED, EXIT, EXIT_WAITS}:
            return Group("checks", title, self.desk.judged(conditions, self.decision.checks))
        return Group(
            "checks", title, tuple(self._not_asked(conditions)), "not asked: no order was made"
        )

    def _not_asked(self, conditions: Iterable[Condition]) -> Iterable[Judged]:
        situation = self.situation
        answers = {
            item.rule.code: bool(situation.stands(item))
            for item in situation.others()
            if item.recorded is None and situation.is_sound and situation.can_ask(item)
        }
        for rule in conditions:
            (judged,) = self.desk.judged((rule,), int(answers.get(rule.code, False)))
            would_be = judged.truth if rule.code in answers else ""
            yield judged._replace(would_be=would_be, counts=False)

    def _values(self, orders: list[SubmitOrder]) -> RecordedValues:
        """Where values come from; the size and the order of an entry follow from the record."""
        situation, decision = self.situation, self.decision
        names = (*situation.compiled.fact_names, *(f"bar.{name}" for name in BAR_VALUES))
        if situation.is_sound and not situation.is_held:
            names += _ORDER_FACTS
        found = situation.values if situation.is_sound else situation.given
        facts: dict[str, FactValue] = told_by_answers(self.book.rules.sets_aside.conditions, ())
        for name in names:
            value = found.get(name)
            if name in found and not isinstance(value, Window):
                facts[name] = value
        qty: Decimal | None = None
        if decision.outcome == ENTER and orders:
            qty = orders[0].qty
        elif situation.is_sound and situation.values.get(ENTRY_QTY.name) is not None:
            qty = situation.answers[2] * self.rules.entry.qty.step
        return RecordedValues(
            facts=facts,
            params={param.name: param for param in self.rules.params},
            limits={limit.name: limit for limit in self.book.rules.limits},
            sizing=ir.names(self.rules.entry.qty.value),
            entry_qty=qty,
        )
