"""A rule book of an older form: what its text says stays, and what it does not say is added."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mqd.engine.core import Engine
from mqd.ground.canonical import digest, encode
from mqd.ground.errors import JournalError
from mqd.rules.book import Condition, RuleBook
from mqd.rules.check.document import Document, Notes
from mqd.rules.compile.book import compile_book
from mqd.rules.digest import FORMAT, OLDER_FORMATS, documents_of
from mqd.rules.older.upgrade import made_whole
from mqd.rules.problems import Problems
from mqd.rules.tree import Mapping, Node, Sequence
from mqd.rules.validate import load_rules, rules_from_text

ROOT = Path(__file__).parents[2]
JOURNAL = ROOT / "tests" / "store" / "journals" / "version_1.jsonl"
JOURNAL_OF_FORM_4 = JOURNAL.with_name("version_5.jsonl")
BROKER = ("news", "answers", "forms", "requests")
BUTTONS = ("reduce_ordered", "halt_ordered", "flatten_ordered", "resume_ordered")
LIVES = 1 + 1 + 1 + 8  # rows of the desk, of a strategy's machine and watch, of a protection's
NEWS = ("not_taken", "cancel_refused")


@pytest.fixture(scope="module")
def kept() -> dict[str, str]:
    """The rule book that a journal of the first version kept."""
    lines = map(json.loads, JOURNAL.read_text(encoding="utf-8").splitlines())
    return next(line for line in lines if "rules" in line)


@pytest.fixture(scope="module")
def text(kept) -> str:
    return str(kept["canonical"])


@pytest.fixture(scope="module")
def book(text) -> RuleBook:
    return rules_from_text(text)


def plain(node: Node) -> Any:
    """A tree without its places, the order of its keys kept."""
    if isinstance(node, Mapping):
        return [(key.text, plain(value)) for key, value in node.pairs]
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.text


def trees(text: str) -> dict[tuple[str, str], Mapping]:
    return {(kind, name): tree for kind, name, tree in documents_of(text).documents}


def whole(text: str) -> dict[tuple[str, str], Mapping]:
    notes = Notes(Problems())
    written = documents_of(text)
    documents = [Document(*part, notes) for part in written.documents]
    return {(each.kind, each.id): each.tree for each in made_whole(documents, 1, notes)}


def changed(text: str, kind: str, name: str, change: Callable[[Any], None]) -> str:
    body = json.loads(text)
    change(next(found for one, named, found in body["documents"] if (one, named) == (kind, name)))
    return encode(body)


def test_a_new_text_is_of_the_newest_form() -> None:
    assert json.loads(load_rules(ROOT / "rules").canonical)["format"] == FORMAT
    assert max(OLDER_FORMATS) + 1 == FORMAT


def test_the_digest_and_the_text_stay_those_that_were_kept(kept, text, book) -> None:
    assert json.loads(text)["format"] == 1
    assert book.digest == kept["rules"] == digest(text)
    assert book.canonical == text
    assert rules_from_text(book.canonical).digest == book.digest


def test_nothing_that_the_old_text_says_changes(text) -> None:
    before, after = trees(text), whole(text)
    for key, tree in before.items():
        said, now = dict(plain(tree)), dict(plain(after[key]))
        if key[0] == "machine":
            rows = said.pop("otherwise")
            assert now.pop("otherwise")[: len(rows)] == rows
        if key[0] == "checks":
            assert now.pop("sends")
        assert now == said, key
        assert [one for one, _ in plain(after[key]) if one not in {"otherwise", "sends"}] == [
            one for one, _ in plain(tree) if one != "otherwise"
        ]  # fmt: skip
    assert set(after) - set(before) == {
        ("watch", "order"), ("watch", "position"), ("watch", "desk"),
        ("reconciliation", "broker"), ("invariants", "orders"), ("broker", "alpaca"),
        ("machine", "breaker"), ("machine", "strategy"), ("watch", "strategy"), ("series", "vix"),
        ("machine", "protection"),
    }  # fmt: skip


def test_the_machines_answer_as_they_did_and_ignore_what_they_did_not_hear(text, book) -> None:
    before = trees(text)
    for machine, unheard in (
        (book.desk_machine, (*BUTTONS, "none_left")),
        (book.order_machine, NEWS),
    ):
        old = Document("machine", machine.id, before["machine", machine.id], Notes(Problems()))
        ids = {
            old.text(kind, index, "id")
            for kind in ("transitions", "otherwise")
            for index in range(old.count(kind))
        }
        assert ids < {row.id for row in machine.rows}
        for (_, event), row in machine.table.items():
            assert (row.id in ids) == (event not in unheard)
            assert row.id in ids or (row.disposition, row.target) == ("ignore_stale", None)
        for state in machine.states:
            assert {event for source, event in machine.table if source == state.name} == set(
                machine.events
            )


def test_the_limits_are_those_of_the_text_and_no_others(text, book) -> None:
    values = trees(text)["limits", "desk"].get("values")
    assert isinstance(values, Mapping)
    assert [limit.name for limit in book.limits] == [key.text for key, _ in values.pairs]


def added(book: RuleBook) -> list[str]:
    """Every sentence of what was added."""
    conditions: list[Condition] = [
        *book.order_watch.conditions, *book.position_watch.conditions,
        *book.desk_watch.conditions, *book.reconciliation.tolerates, *book.reconciliation.refuses,
        *(condition for each in book.invariants for condition in each.always),
        *book.strategy_watch.conditions,
    ]  # fmt: skip
    machines = (book.desk_machine, book.order_machine)
    rows = [
        row
        for each in machines
        for row in each.rows
        if {*row.events} & {*BUTTONS, *NEWS, "none_left"}
    ]
    told = [each.because for each in conditions]
    told += [each.because for each in book.reconciliation.differences]
    broker = book.broker_words
    told += [each.because for each in (*broker.statuses, *broker.news)]
    told += [each.because for each in broker.answers]
    told += [each.because for each in broker.forms]
    told += [book.sends.entry.because, book.sends.exit.because]
    told += [each.because for each in broker.request_limits]
    lives = (book.breaker_machine, book.strategy_machine, book.protection_machine)
    told += [each.because for machine in lives for each in machine.rows]
    return told + [each.because for each in rows]


def test_every_sentence_that_was_added_says_so(book) -> None:
    broker = book.broker_words
    of_broker = (
        broker.statuses, broker.news, broker.answers, broker.forms, broker.request_limits
    )  # fmt: skip
    assert len(added(book)) == 3 + 2 + 1 + 2 + 1 + 2 + LIVES + len(
        book.reconciliation.differences
    ) + sum(map(len, of_broker))
    forms = tuple(f"Form {form} " for form in OLDER_FORMATS)
    assert not [each for each in added(book) if not each.startswith(forms)]


def test_a_book_made_whole_runs(book) -> None:
    compiled = compile_book(book)
    assert compiled.order_watch.codes == ("ENTRY_ASKED_BACK",)
    assert compiled.order_watch_acts == ("ask_back",)


def test_what_the_text_says_already_is_not_added(text) -> None:
    """A row for one of the events is the text's own; only the others are added."""
    row = {"id": "DL-07", "event": "halt_ordered", "from": "ACTIVE", "to": "HALTED",
           "because": "A person said so."}  # fmt: skip
    rest = {"id": "DL-97", "event": "halt_ordered", "from": ["REDUCING", "HALTED"],
            "do": "ignore_stale", "because": "It is careful already."}  # fmt: skip

    def change(body: Any) -> None:
        body["transitions"].append(row)
        body["otherwise"].append(rest)

    machine = rules_from_text(changed(text, "machine", "desk", change)).desk_machine
    assert machine.table["ACTIVE", "halt_ordered"].id == "DL-07"
    assert machine.table["HALTED", "halt_ordered"].id == "DL-97"
    assert machine.table["HALTED", "resume_ordered"].id not in {"DL-07", "DL-97"}


@pytest.fixture
def form_2() -> dict[str, Any]:
    """Today's rules without what a text of form 2 did not say."""
    body: dict[str, Any] = json.loads(load_rules(ROOT / "rules").canonical)
    (broker,) = [part[2] for part in body["documents"] if part[0] == "broker"]
    for section in BROKER:
        del broker[section]
    (checks,) = [part[2] for part in body["documents"] if part[0] == "checks"]
    del checks["sends"]
    return {**body, "format": 2}


def test_a_broker_of_form_2_keeps_its_words_and_gets_the_rest(form_2) -> None:
    book, today = rules_from_text(encode(form_2)), load_rules(ROOT / "rules")
    words = book.broker_words
    assert book.digest == digest(encode(form_2)) != today.digest
    assert [(each.word, each.because) for each in words.statuses] == [
        (each.word, each.because) for each in today.broker_words.statuses
    ]
    added = [*(each.because for each in words.news), *(each.because for each in words.answers)]
    assert {because[:7] for because in added} == {"Form 2 "}
    assert words.answer("submit", "timeout").means == "unproved"
    assert words.answer("submit", "429").means == "not_taken"
    assert words.requests.most_per_minute <= 200


def test_a_section_that_a_text_of_form_2_has_is_its_own(form_2) -> None:
    today = json.loads(load_rules(ROOT / "rules").canonical)
    (mine,) = [part[2] for part in form_2["documents"] if part[0] == "broker"]
    (broker,) = [part[2] for part in today["documents"] if part[0] == "broker"]
    mine["requests"] = broker["requests"]
    mine["requests"]["most_per_minute"]["value"] = "17"
    assert rules_from_text(encode(form_2)).broker_words.requests.most_per_minute == 17


def test_a_text_of_form_2_lacks_nothing_else(form_2) -> None:
    for missing in ("broker", "watch", "invariants"):
        parts = [part for part in form_2["documents"] if part[0] != missing]
        with pytest.raises(JournalError):
            rules_from_text(encode({**form_2, "documents": parts}))


def test_the_breaker_of_a_text_of_form_3_never_opens() -> None:
    body = json.loads(load_rules(ROOT / "rules").canonical)
    body["documents"] = [part for part in body["documents"] if part[1] != "breaker"]
    for part in body["documents"]:
        if part[0] == "broker":
            del part[2]["forms"], part[2]["requests"]["symbols_every"]
        if part[0] == "checks":
            del part[2]["sends"]
            del part[2]["entries"]["ordered"][_place(part[2]["entries"], "BREAKER_NOT_CLOSED")]
        if part[:2] == ["watch", "desk"]:
            del part[2]["rows"]["ordered"][_place(part[2]["rows"], "BREAKER_PROBE")]
        if part[:2] == ["watch", "order"]:
            row = part[2]["rows"]["ordered"][_place(part[2]["rows"], "ENTRY_NOT_TAKEN")][1]
            row["when"] = row["when"].replace(" and broker.breaker == CLOSED", "")
    book = rules_from_text(encode({**body, "format": 3}))
    assert [state.name for state in book.breaker_machine.states] == ["CLOSED"]
    engine = Engine.of(compile_book(book))
    assert not engine.breaker_waits
    for event in engine.breaker.rules.events:
        assert engine.breaker.fire("CLOSED", event).state == "CLOSED"
    with pytest.raises(JournalError):
        rules_from_text(encode({**body, "format": FORMAT}))


def test_a_block_of_a_text_of_form_4_is_counted_from_its_first_trip_and_nobody_is_judged() -> None:
    lines = map(json.loads, JOURNAL_OF_FORM_4.read_text(encoding="utf-8").splitlines())
    kept = next(line for line in lines if "rules" in line)
    assert json.loads(kept["canonical"])["format"] == 4
    book = rules_from_text(kept["canonical"])
    assert book.digest == kept["rules"]
    blocks = book.protection_machine.table
    assert blocks["ARMED", "came_true"].target == "TRIPPED"
    assert blocks["TRIPPED", "came_true"].disposition == "ignore_stale"
    assert blocks["COOLING", "came_true"].disposition == "ignore_stale"
    assert {row.target for row in book.strategy_machine.rows} == {"ACTIVE"}
    assert book.desk_machine.table["ACTIVE", "none_left"].disposition == "ignore_stale"
    assert (book.portfolio, book.regimes, book.attribution) == (None, None, None)
    engine = Engine.of(compile_book(book))
    assert engine.book.strategy_watch.codes == ("NEVER_JUDGED",)
    with pytest.raises(JournalError):
        rules_from_text(encode({**json.loads(kept["canonical"]), "format": FORMAT}))


def _place(ordered: dict[str, Any], code: str) -> int:
    return [name for name, _ in ordered["ordered"]].index(code)


def test_a_machine_without_other_pairs_gets_the_rows_too(text) -> None:
    def change(body: Any) -> None:
        body["transitions"] = [
            {"id": f"DL-{number:02}", "event": ["incident", "invariant_broken"], "from": source,
             "to": target, "because": "A person said so."}
            for number, (source, target) in enumerate(
                [("ACTIVE", "REDUCING"), ("REDUCING", "HALTED"), ("HALTED", "ACTIVE")]
            )
        ]  # fmt: skip
        del body["otherwise"]

    machine = rules_from_text(changed(text, "machine", "desk", change)).desk_machine
    assert machine.table["HALTED", "flatten_ordered"].disposition == "ignore_stale"


def drop(*path: str) -> Callable[[Any], None]:
    def change(body: Any) -> None:
        for step in path[:-1]:
            body = body[step]
        del body[path[-1]]

    return change


def said(key: str, value: Any) -> Callable[[Any], None]:
    return lambda body: body.update({key: value})


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("machine", "desk", drop("otherwise")),
        ("machine", "desk", said("otherwise", "nothing")),
        ("machine", "desk", said("initial", "ASLEEP")),
        ("machine", "order", lambda body: body["transitions"].pop(0)),
        ("limits", "desk", lambda body: body["values"]["ordered"].pop(0)),
        ("checks", "orders", drop("exits")),
        ("strategy", "vwap_micro_mean_reversion", said("entry", "")),
    ],
)
def test_an_old_text_that_was_edited_badly_is_refused(text, kind, name, change) -> None:
    with pytest.raises(JournalError):
        rules_from_text(changed(text, kind, name, change))


@pytest.mark.parametrize("kind", ["machine", "limits", "checks", "data", "thesis"])
def test_an_old_text_that_lacks_what_its_form_had_is_refused(text, kind) -> None:
    body = json.loads(text)
    body["documents"] = [part for part in body["documents"] if part[0] != kind]
    with pytest.raises(JournalError):
        rules_from_text(encode(body))


@pytest.mark.parametrize("form", [FORMAT, FORMAT + 1, 0, True, 1.0, "1", None, [1]])
def test_an_old_text_under_another_form_is_refused(text, form) -> None:
    with pytest.raises(JournalError):
        rules_from_text(json.dumps({**json.loads(text), "format": form}))


def test_an_edit_that_is_a_valid_rule_has_another_digest(text, book) -> None:
    other = changed(text, "thesis", "TH-001", said("claim", "It comes back."))
    assert rules_from_text(other).digest == digest(other) != book.digest


def test_a_new_text_is_never_filled_in() -> None:
    body = json.loads(load_rules(ROOT / "rules").canonical)
    for missing in ("watch", "reconciliation", "invariants", "broker"):
        parts = [part for part in body["documents"] if part[0] != missing]
        with pytest.raises(JournalError):
            rules_from_text(encode({**body, "documents": parts}))
