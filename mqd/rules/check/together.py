"""The documents together: what refers to what, what is missing, what nothing uses."""

from __future__ import annotations

from pathlib import PurePath
from typing import TypeVar

from mqd.ground.units import DURATION
from mqd.rules.book import (
    Invariants,
    Limit,
    MachineRules,
    Portfolio,
    RuleBook,
    RuleSet,
    Strategy,
    Thesis,
    Watch,
)
from mqd.rules.check.broker import read_broker
from mqd.rules.check.document import Document, Notes
from mqd.rules.check.forms import check_exits_taken, read_sends
from mqd.rules.check.limits import PREFIX, add_limits, limit_values, read_limits
from mqd.rules.check.lives import check_life, check_opens_belongs
from mqd.rules.check.looking_back import (
    check_ends,
    check_pauses,
    read_attribution,
    read_regimes,
)
from mqd.rules.check.machines import read_machine
from mqd.rules.check.pausing import check_pauses_last
from mqd.rules.check.sets import (
    Surroundings,
    read_checks,
    read_data,
    read_protection,
    read_series,
    read_thesis,
)
from mqd.rules.check.sharing import (
    check_portfolio_is_there,
    check_shares,
    in_declared_order,
    read_portfolio,
)
from mqd.rules.check.strategies import read_strategy
from mqd.rules.check.watching import (
    read_invariants,
    read_reconciliation,
    read_watch,
)
from mqd.rules.expressions.scope import OTHERS, Scope
from mqd.rules.problems import WARNING, Place, did_you_mean
from mqd.rules.words.attributing import ENDS_BESIDE_RULES
from mqd.rules.words.reporting import SLOWEST

CODES = {
    "ID_TAKEN": "Two documents of one kind have the same id.",
    "ID_NOT_FILE_NAME": "A document's id is not the name of its file.",
    "FOLDER_OF_ANOTHER_KIND": "A file stands in the folder of another kind of rule.",
    "DOCUMENT_UNKNOWN": "The desk has no use for a document of this kind and id.",
    "DOCUMENT_MISSING": "A document that the desk cannot run without is not there.",
    "THESIS_UNKNOWN": "A strategy names a thesis that nobody declares.",
    "THESIS_UNUSED": "No strategy rests on a thesis that still stands.",
    "LIMIT_UNUSED": "Nothing reads a declared limit.",
    "INVARIANT_TAKEN": "Two files of invariants hold one of the same code.",
}

_Read = TypeVar("_Read")
INVALIDATED = "INVALIDATED"
_FILES = {
    ("limits", "desk"): "limits/desk.yaml",
    ("checks", "orders"): "orders/checks.yaml",
    ("data", "bars"): "data/bars.yaml",
    ("machine", "order"): "orders/lifecycle.yaml",
    ("machine", "desk"): "desk/lifecycle.yaml",
    ("machine", "breaker"): "brokers/breaker.yaml",
    ("machine", "protection"): "protections/lifecycle.yaml",
    ("machine", "strategy"): "strategies/lifecycle.yaml",
    ("watch", "order"): "orders/watch.yaml",
    ("watch", "position"): "orders/exits.yaml",
    ("watch", "desk"): "desk/watch.yaml",
    ("watch", "strategy"): "strategies/watch.yaml",
    ("reconciliation", "broker"): "desk/reconciliation.yaml",
    ("broker", "alpaca"): "brokers/alpaca.yaml",
    ("series", "vix"): "data/vix.yaml",
}
"""What every desk has, and the file it is shipped in; elsewhere it may have another name."""
_OPTIONAL = (("portfolio", "desk"), ("regimes", "market"), ("attribution", "trades"))
"""What a desk may have one of, and does without: then it shares nothing, or a report says less."""
_KNOWN = (*_FILES, *_OPTIONAL)
_ONE_EACH = {kind: tuple(name for one, name in _KNOWN if one == kind) for kind, _ in _KNOWN}
_ANY_INVARIANTS = ("invariants", "...")
_FOLDERS = {
    "strategies": ("strategy", "machine", "watch"), "protections": ("protection", "machine"),
    "theses": ("thesis",),
    "limits": ("limits",), "orders": ("checks", "machine", "watch"),
    "data": ("data", "regimes", "series"),
    "desk": ("machine", "watch", "reconciliation", "portfolio", "attribution"),
    "invariants": ("invariants",),
    "brokers": ("broker", "machine"),
}  # fmt: skip
_NAMED_BY_FILE = ("strategy", "protection", "thesis", "invariants", "broker")


class Together:
    """Reads all documents of a rule book and checks them against one another."""

    def __init__(self, documents: list[Document], notes: Notes, root: str) -> None:
        self.documents = sorted(documents, key=lambda document: (document.kind, document.id))
        self.notes = notes
        self.root = root

    def book(self, digest: str = "", canonical: str = "") -> RuleBook | None:
        """The rule book, or None when anything was noted."""
        self._check_ids()
        limits, scope = self._limits()
        around = Surroundings(
            scope, self._states("desk"), self._states("order"), self._states("breaker"),
            self._row_members(),
        )  # fmt: skip
        machines = {item.id: read_machine(item, around) for item in self._of("machine")}
        strategies = [read_strategy(item, limits, around) for item in self._of("strategy")]
        protections = [read_protection(item, around) for item in self._of("protection")]
        checks = [read_checks(item, around) for item in self._of("checks")]
        data = [read_data(item, around) for item in self._of("data")]
        theses = [read_thesis(item, around) for item in self._of("thesis")]
        series = [read_series(item) for item in self._of("series")]
        watches = {item.id: read_watch(item, around) for item in self._of("watch")}
        for document in self._of("watch") if self.notes.as_written else ():
            check_pauses_last(document, watches[document.id], limits.values())
        self._check_lives(machines.get("strategy"), watches.get("strategy"))
        compared = [read_reconciliation(item, around) for item in self._of("reconciliation")]
        invariants = [read_invariants(item, around) for item in self._of("invariants")]
        brokers = [read_broker(item) for item in self._of("broker")]
        sends = [read_sends(item) for item in self._of("checks")]
        for document, sent in zip(self._of("checks"), sends, strict=True):
            for words in brokers:
                if words is not None and words.forms:
                    check_exits_taken(document, sent, words)
        portfolio = self._portfolio(limits, strategies, [entries for entries, _ in checks])
        regimes = [read_regimes(item) for item in self._of("regimes")]
        attributions = [read_attribution(item, around) for item in self._of("attribution")]
        self._check_looked_back_at()
        self._check_invariants(invariants)
        if not self.notes.some_unread:
            self._check_theses(theses)
        if self.notes.as_written and not self.notes.some_unread and not self._missing():
            self._check_limits_used(scope)
        if self.notes.problems.has_errors():
            return None
        self._check_theses_used(theses)
        return RuleBook(
            digest=digest,
            canonical=canonical,
            limits=tuple(limit for limit in limits.values() if limit),
            limits_header=self._of("limits")[0].header(),
            strategies=in_declared_order((item for item in strategies if item), portfolio),
            protections=tuple(item for item in protections if item),
            sets_aside=data[0][0],
            blocks_entries=data[0][1],
            entry_checks=checks[0][0],
            exit_checks=checks[0][1],
            sends=sends[0],
            order_machine=_certain(machines["order"]),
            desk_machine=_certain(machines["desk"]),
            breaker_machine=_certain(machines["breaker"]),
            strategy_machine=_certain(machines["strategy"]),
            theses=tuple(theses),
            order_watch=watches["order"],
            position_watch=watches["position"],
            desk_watch=watches["desk"],
            strategy_watch=watches["strategy"],
            reconciliation=compared[0],
            invariants=tuple(invariants),
            broker_words=_certain(brokers[0]),
            series=tuple(series),
            protection_machine=_certain(machines["protection"]),
            portfolio=portfolio,
            regimes=regimes[0] if regimes else None,
            attribution=attributions[0] if attributions else None,
        )

    def _check_lives(self, machine: MachineRules | None, watch: Watch | None) -> None:
        for document in self._of("machine") if self.notes.as_written else ():
            check_opens_belongs(document)
            if document.id == "strategy" and machine is not None and watch is not None:
                check_life(document, machine, watch)

    def _of(self, kind: str) -> list[Document]:
        return [document for document in self.documents if document.kind == kind]

    def _limits(self) -> tuple[dict[str, Limit | None], Scope]:
        limits: dict[str, Limit | None] = {}
        scope = Scope()
        if self.notes.some_unread and not self._of("limits"):
            scope.undecided_owner = PREFIX.rstrip(".")
        for document in self._of("limits"):
            limits.update(read_limits(document))
        add_limits(scope, limits)
        if self.notes.as_written:
            scope.limit_values = limit_values(limits)
        return limits, scope

    def _portfolio(
        self,
        limits: dict[str, Limit | None],
        strategies: list[Strategy | None],
        entry_checks: list[RuleSet],
    ) -> Portfolio | None:
        portfolio = None
        for document in self._of("portfolio"):
            portfolio = read_portfolio(document, limits)
            is_whole = self.notes.as_written and not self.notes.some_unread
            if portfolio is not None and is_whole:
                checks = [rule for entries in entry_checks for rule in entries.conditions]
                check_shares(document, portfolio, strategies, limits, checks)
        if not self._of("portfolio") and not self.notes.some_unread:
            for document, entries in zip(self._of("checks"), entry_checks, strict=True):
                check_portfolio_is_there(document, entries.conditions)
        return portfolio

    def _states(self, machine: str) -> tuple[str, ...]:
        for document in self._of("machine"):
            if document.id == machine:
                return tuple(key.text for key, _ in document.pairs("states"))
        return ()

    def _row_members(self) -> dict[str, tuple[str, ...]]:
        """What the enumerated words of a finished trade or an entry may be, in these rules."""
        strategies = self._of("strategy")
        reasons = [key.text for each in strategies for key, _ in each.pairs("exits")]
        watching = [each for each in self._of("watch") if each.id == "position"]
        for each in watching:
            reasons += [key.text for key, _ in each.pairs("rows")]
        if not watching:  # that it is missing is said already, and once is enough
            reasons.append(OTHERS)
        others = (OTHERS,) if self.notes.some_unread else ()
        return {
            "exit_reason": tuple(dict.fromkeys([*reasons, *ENDS_BESIDE_RULES, *others])),
            "strategy": tuple(dict.fromkeys([*(each.id for each in strategies), *others])),
            "symbol": tuple(
                dict.fromkeys([*(each.text("trades", "symbol") for each in strategies), *others])
            ),
        }

    # -- across documents ---------------------------------------------------------------------

    def _check_ids(self) -> None:
        seen: set[tuple[str, str]] = set()
        for document in self.documents:
            if (document.kind, document.id) in seen:
                document.note(
                    document.place, (), "ID_TAKEN",
                    f"There is another `{document.kind}: {document.id}`.",
                    "rename one of them, or remove it",
                )  # fmt: skip
            seen.add((document.kind, document.id))
            known = _ONE_EACH.get(document.kind)
            if known is not None and document.id not in known:
                document.note(
                    document.place, (), "DOCUMENT_UNKNOWN",
                    f"The desk has no use for {document.kind} `{document.id}`.",
                    did_you_mean(document.id, known),
                )  # fmt: skip
            self._check_folder(document)
            stem = PurePath(document.place.file).stem
            if document.kind in _NAMED_BY_FILE and document.place.file and stem != document.id:
                document.note(
                    document.place, (), "ID_NOT_FILE_NAME",
                    f"The {document.kind} is called `{document.id}` and its file `{stem}`.",
                    "one rule, one file, one name: rename one of them",
                )  # fmt: skip
        for kind, name in () if self.notes.some_unread else self._missing():
            file = _FILES.get((kind, name), "invariants/orders.yaml")
            self.notes.problems.add(
                Place(self.root, 1, 1), f"{kind}", "DOCUMENT_MISSING",
                f"There is no document `{kind}: {name}`, and the desk cannot run without it.",
                f"add `{file}` as `mqd init` writes it for a new desk, or name the folder that "
                "holds all the rules",
            )  # fmt: skip

    def _check_folder(self, document: Document) -> None:
        """The pages and the readers look for a rule by its folder; other folders are free."""
        folder = PurePath(document.place.file).parent.name
        if document.kind not in _FOLDERS.get(folder, (document.kind,)):
            wanted = next(name for name, kinds in _FOLDERS.items() if document.kind in kinds)
            document.note(
                document.place, (), "FOLDER_OF_ANOTHER_KIND",
                f"A {document.kind} does not belong into `{folder}`.", f"move it to `{wanted}`",
            )  # fmt: skip

    def _missing(self) -> list[tuple[str, str]]:
        """The documents, by kind and id, that every desk has and this one has not."""
        wanted = set(_FILES)
        if not self._of("invariants"):
            wanted.add(_ANY_INVARIANTS)
        return sorted(wanted - {(document.kind, document.id) for document in self.documents})

    def _check_theses(self, theses: list[Thesis]) -> None:
        known = {thesis.header.id for thesis in theses}
        for document in self._of("strategy"):
            scalar = document.scalar("thesis")
            if scalar is not None and scalar.text not in known:
                document.note(
                    scalar.place, (), "THESIS_UNKNOWN", f"There is no thesis `{scalar.text}`.",
                    did_you_mean(scalar.text, known) or f"declare it in theses/{scalar.text}.yaml",
                )  # fmt: skip

    def _check_invariants(self, read: list[Invariants]) -> None:
        """Each code says one thing: a record that an invariant broke names nothing but its code."""
        seen: dict[str, str] = {}
        for document, rules in zip(self._of("invariants"), read, strict=True):
            for condition in rules.always:
                owner = seen.setdefault(condition.code, document.id)
                if owner != document.id:
                    document.note(
                        condition.place, ("always", condition.code), "INVARIANT_TAKEN",
                        f"`{condition.code}` is an invariant of `{owner}` already.",
                        "give this one a code of its own",
                    )  # fmt: skip

    def _check_looked_back_at(self) -> None:
        """Pauses name regimes that are there; each code that the desk ends a trade for is told."""
        if self.notes.some_unread:
            return
        regimes = self._of("regimes")
        for document in self._of("strategy"):
            check_pauses(document, regimes[0] if regimes else None)
        watches = [item for item in self._of("watch") if item.id == "position"]
        for document in self._of("attribution") if watches else ():
            check_ends(document, watches)

    def _check_theses_used(self, theses: list[Thesis]) -> None:
        """One that was invalidated is kept on purpose: it tells what was tried."""
        used = {document.text("thesis") for document in self._of("strategy")}
        for thesis in theses:
            if thesis.header.id not in used and thesis.status != INVALIDATED:
                self.notes.problems.add(
                    thesis.header.place, thesis.header.id, "THESIS_UNUSED",
                    f"No strategy rests on `{thesis.header.id}`, which is {thesis.status}.",
                    f"name it in a strategy, or say `status: {INVALIDATED}` and why", WARNING,
                )  # fmt: skip

    def _check_limits_used(self, scope: Scope) -> None:
        used = {name.removeprefix(PREFIX) for name in scope.used if name.startswith(PREFIX)}
        for document in self._of("strategy"):
            for key, _ in document.pairs("params"):
                used.add(document.text("params", key.text, "value").removeprefix(PREFIX))
        for document in self._of("limits"):
            for key, _ in document.pairs("values"):
                is_reported = key.text in SLOWEST and _is_duration(document, key.text)
                if key.text not in used and not is_reported:
                    document.note(
                        key.place, ("values", key.text), "LIMIT_UNUSED",
                        f"Nothing reads the limit `{key.text}`.",
                        f"refer to it as `limits.{key.text}`, or remove it; "
                        "or a slip stands here or where it is read",
                    )  # fmt: skip


def _is_duration(document: Document, limit: str) -> bool:
    return document.text("values", limit, "unit") == DURATION.name


def _certain(read: _Read | None) -> _Read:
    assert read is not None, "a document with problems was kept"
    return read
