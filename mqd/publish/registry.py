"""The thesis registry: every claim, what trades on it, and what the evidence says about it.

Nothing here is typed by hand: the totals come from the evidence records, the judgement from the
numbers that each thesis declares for its own end. The status stays what the rule file says; where
the evidence does not bear it out, the page says so beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from mqd.model.position import ZERO
from mqd.publish.distances import distances_of
from mqd.publish.evidence import EvidenceRecord, win_rate
from mqd.publish.figures import share_text, signed_usd
from mqd.rules.book import Condition, RuleBook, Strategy, Thesis
from mqd.rules.compile.question import truth_of
from mqd.rules.english import English

REGISTRY = "THESIS_REGISTRY.md"
NO_EVIDENCE = "none"
THIN = "thin"
CONTRADICTED = "contradicted"
HOLDS = "holds"
_STEP = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """One thesis with its strategies and records; `today` is the digest of the rules in force.

    Records of other param values than the rules' are shown and not counted: they are evidence for
    another claim.
    """

    thesis: Thesis
    strategies: tuple[Strategy, ...]
    records: tuple[EvidenceRecord, ...]
    today: str

    @property
    def counted(self) -> tuple[EvidenceRecord, ...]:
        """The records that the totals are of."""
        return tuple(record for record in self.records if not record.overrides)

    @property
    def trades(self) -> int:
        """All trades of the counted records."""
        return sum(record.trades for record in self.counted)

    @property
    def wins(self) -> int:
        """How many of them made money."""
        return sum(record.wins for record in self.counted)

    @property
    def pnl_usd(self) -> Decimal:
        """What they made together."""
        return sum((record.pnl_usd for record in self.counted), ZERO)

    @property
    def sessions(self) -> int:
        """How many sessions they are of."""
        return sum(record.sessions for record in self.counted)

    @property
    def win_rate(self) -> Decimal | None:
        """The share of all trades that made money."""
        return win_rate(self.wins, self.trades)

    @property
    def verdict(self) -> str:
        """What the counted records say: none, thin, contradicted or holds."""
        if not self.counted:
            return NO_EVIDENCE
        if self.trades < self.thesis.invalidated_when.over_trades:
            return THIN
        return CONTRADICTED if self.met else HOLDS

    @property
    def met(self) -> tuple[str, ...]:
        """The rules of the thesis that the counted records meet, however many trades they have."""
        values = self._values
        return tuple(
            rule.code
            for rule in self.thesis.invalidated_when.rules
            if (asked := truth_of(rule.when, possibly=False)).asked(
                {name.name: values[name.name] for name in asked.names}
            )
        )

    def stands(self, rule: Condition) -> str:
        """How far the evidence is from what would end the thesis, and what it takes to count."""
        known = {name: value for name, value in self._values.items() if value is not None}
        found = distances_of(rule.when, known, English(), stands_against=False)
        wanted = self.thesis.invalidated_when.over_trades - self.trades
        parts = [each.text for each in found] or ["no evidence yet"]
        if wanted > 0:
            parts.append(f"{wanted:,} more trade{'s' if wanted != 1 else ''} before it counts")
        told = "; ".join(parts)
        return f"{told[:1].upper()}{told[1:]}."

    @property
    def _values(self) -> dict[str, int | float | None]:
        return {
            "evidence.trades": self.trades,
            "evidence.win_rate": None if self.win_rate is None else float(self.win_rate),
            "evidence.pnl": float(self.pnl_usd) if self.counted else None,
        }

    def is_of_today(self, record: EvidenceRecord) -> bool:
        """Whether the record was made under the rules in force."""
        return record.rules_digest == self.today

    def rules_word(self, record: EvidenceRecord) -> str:
        """Under which rules a record was made, in a word or two."""
        word = "today's" if self.is_of_today(record) else "earlier rules"
        if record.overrides:
            set_to = ", ".join(f"{name} {value}" for name, value in record.overrides)
            return f"{word}, not counted: {set_to}"
        return word

    def evidence_text(self) -> str:
        """The registry's column: the totals, and what they are worth."""
        if not self.counted:
            return "None yet: no back-test on named data was recorded."
        sets = len(self.counted)
        return (
            f"{self.trades:,} trades on {sets} data set{'s' if sets != 1 else ''} "
            f"({self.sessions:,} sessions): {self.wins:,} won "
            f"({share_text(self.wins, self.trades)}), P&L {signed_usd(self.pnl_usd)} USD."
        )

    def verdict_text(self) -> str:
        """The judgement in words, by the thesis' own numbers."""
        wanted = f"{self.thesis.invalidated_when.over_trades:,}"
        met = ", ".join(self.met)
        match self.verdict:
            case "none":
                return f"Nothing is known: {wanted} trades are wanted before it can be judged."
            case "thin":
                return f"Thin: {self.trades:,} trades, and it takes {wanted} to judge. " + (
                    f"So far {met} speaks against it." if met else "So far nothing would end it."
                )
            case "contradicted":
                return (
                    f"Bad: {met} is true over {wanted} trades or more, which is what the thesis "
                    "says would end it."
                )
        return f"Nothing of what would end it is true, over {wanted} trades or more."

    def warnings(self) -> tuple[str, ...]:
        """Where the status and the evidence do not go together, and what the totals hide."""
        found = []
        status, verdict = self.thesis.status, self.verdict
        if verdict == CONTRADICTED and status != "INVALIDATED":
            found.append(f"The evidence contradicts the thesis, and its status is still {status}.")
        if verdict in {NO_EVIDENCE, THIN} and status == "ACTIVE":
            found.append("The status is ACTIVE, and the evidence does not suffice for that.")
        if status == "INVALIDATED" and any(strategy.runs for strategy in self.strategies):
            found.append("The thesis is INVALIDATED, and a strategy still runs on it.")
        if self.trades and self.pnl_usd < 0:
            found.append("These trades lost money together.")
        if any(not self.is_of_today(record) for record in self.counted):
            found.append("Some of this evidence is of earlier rules than today's.")
        return tuple(found)


def registry(book: RuleBook, records: Iterable[EvidenceRecord]) -> tuple[RegistryEntry, ...]:
    """Every thesis of the book, with its strategies and the records that name it."""
    every = tuple(records)
    return tuple(
        RegistryEntry(
            thesis=thesis,
            strategies=tuple(item for item in book.strategies if item.thesis == thesis.header.id),
            records=tuple(item for item in every if item.thesis == thesis.header.id),
            today=book.digest,
        )
        for thesis in book.theses
    )


def strangers(book: RuleBook, records: Iterable[EvidenceRecord]) -> list[str]:
    """One line for every record of a thesis that the rules do not declare."""
    known = {thesis.header.id for thesis in book.theses}
    return [
        f"evidence/{record.file_name}: the rules declare no thesis {record.thesis}"
        for record in records
        if record.thesis not in known
    ]


def loss_text(loss_usd: Decimal | None, of_plan: Decimal | None) -> str:
    """What a stopped trade lost, and how many times its planned risk that was."""
    if loss_usd is None:
        return "-"
    times = "" if of_plan is None else f" ({of_plan.quantize(_STEP)} times)"
    return f"{loss_usd.quantize(_STEP)}{times}"
