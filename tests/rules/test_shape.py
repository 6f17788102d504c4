"""The shape of documents: typed values when it is right, one placed sentence each when not."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mqd.rules import shape
from mqd.rules.find import RuleFile, find_rule_files
from mqd.rules.load import load_text
from mqd.rules.problems import Place, Problem, Problems
from mqd.rules.shape import KINDS, check_shape, schema_for
from mqd.rules.tree import Mapping, Node, Scalar, Sequence

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = find_rule_files(ROOT / "rules", Problems())
EVERY_WORD = os.environ.get("MQD_EVERY_WORD") == "1"
EVERY_SHIPPED = pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.path.name)
HEADER = "title: A title\nowner: me\nsince: 2026-11-22\nbecause: It is so.\nformat: 1\n"
# Twelve lines, so that what a case adds starts on line 13.
STRATEGY = (
    f"strategy: mine\n{HEADER}thesis: TH-001\nstatus: draft\n"
    "trades: {symbol: SPY, timeframe: 1Min, side: long}\n"
    "no_trade: {NEVER: {when: a, because: It is so.}}\n"
    "entry: {side: buy, type: market, qty: {value: q, round: down, step: 1}, stop_loss: s}\n"
    "exits: {EVER: {when: a, because: It is so.}}\n"
)
# Seven lines, then a transition that starts on line 9.
MACHINE = (
    f"machine: thing\n{HEADER}initial: ON\nstates: {{ON: {{means: It runs.}}}}\ntransitions:\n"
    "  - id: XX-01\n    event: went\n    from: ON\n    to: ON\n    because: It is so.\n"
)
PROTECTION = (
    f"protection: guard\n{HEADER}scope: desk\nblocks: entries\ntrips_when: a\nfor: 5m\n"
)  # fmt: skip
THESIS = (
    f"thesis: TH-001\n{HEADER}claim: It is so.\nstatus: ACTIVE\ninvalidated_when:\n"
    "  {win_rate_below: 0.45, over_trades: 100}\n"
)


def shaped(text: str) -> tuple[dict[str, Any] | None, list[Problem]]:
    problems = Problems()
    document = load_text(text, "a.yaml", problems)
    assert document is not None, problems.sorted()
    return check_shape(document, problems), problems.sorted()


def typed(text: str) -> dict[str, Any]:
    found, problems = shaped(text)
    assert found is not None, problems
    assert not problems
    return found


def refused(text: str) -> list[Problem]:
    found, problems = shaped(text)
    assert found is None
    assert problems
    return problems


def params(text: str) -> str:
    return f"{STRATEGY}params:\n  p: {{{text}}}\n"


# ------------------------------------------------------------------------------ what is right


@EVERY_SHIPPED
def test_the_shipped_rules_have_their_shape(file: RuleFile) -> None:
    typed(file.text)


@pytest.mark.parametrize("text", [STRATEGY, MACHINE, PROTECTION, THESIS])
def test_the_documents_of_these_tests_are_right(text: str) -> None:
    typed(text)


def test_values_are_typed_by_the_schema_and_by_nothing_else() -> None:
    document = typed(
        (ROOT / "rules/strategies/vwap_micro_mean_reversion.yaml").read_text(encoding="utf-8")
    )
    assert document["format"] == 1
    assert type(document["format"]) is int
    value = document["params"]["risk_dollars_per_trade"]["value"]
    assert type(value) is Decimal
    assert str(value) == "1.50"
    assert document["params"]["flat_before_close"]["value"] == "5m"
    assert document["params"]["trade_window"] == {"value": "limits.entry_window"}
    assert document["since"] == "2026-11-22"
    assert document["entry"]["qty"]["step"] == Decimal("0.001")


def test_booleans_and_lists_are_typed() -> None:
    document = typed((ROOT / "rules/orders/lifecycle.yaml").read_text(encoding="utf-8"))
    assert document["states"]["FILLED"]["terminal"] is True
    assert document["transitions"][0]["from"] == ["PENDING", "UNKNOWN"]
    assert document["transitions"][1]["event"] == "filled"


def test_a_text_that_looks_like_a_number_stays_text() -> None:
    document = typed(THESIS.replace("A title", "42").replace("claim: It is so.", "claim: true"))
    assert document["title"] == "42"
    assert document["claim"] == "true"


@EVERY_SHIPPED
def test_the_authors_order_is_kept(file: RuleFile) -> None:
    tree = load_text(file.text, file.shown, Problems())
    assert tree is not None

    def orders(node: Node, plain: Any) -> Iterator[tuple[list[str], list[str]]]:
        if isinstance(node, Mapping):
            yield [key.text for key, _ in node.pairs], list(plain)
            for key, value in node.pairs:
                yield from orders(value, plain[key.text])
        elif isinstance(node, Sequence):
            for item, value in zip(node.items, plain, strict=True):
                yield from orders(item, value)

    assert all(written == kept for written, kept in orders(tree, typed(file.text)))


@pytest.mark.parametrize(
    "text",
    [
        "value: 10, min: 1, max: 50, unit: usd",
        "value: -0.5, min: -1, max: 0, unit: ratio",
        "value: 30s, min: 0s, max: 2h, unit: duration",
        "value: 10:00-11:30, min: 09:30, max: 16:00, unit: exchange_time",
        "value: limits.daily_loss_usd",
        "value: limits.daily_loss_usd, min: 1, max: 50, unit: usd",
    ],
)
def test_values_of_every_form_pass(text: str) -> None:
    typed(params(text))


@pytest.mark.parametrize("value", ["5m", "rest_of_session", "while_true"])
@pytest.mark.parametrize("unknown", ["block", "allow"])
def test_a_protection_may_block_for_these(value: str, unknown: str) -> None:
    document = typed(PROTECTION.replace("5m", value) + f"on_unknown: {unknown}\n")
    assert (document["for"], document["on_unknown"]) == (value, unknown)


def test_only_a_protection_may_let_the_unknown_pass() -> None:
    for kind in KINDS:
        has_allow = '"allow"' in json.dumps(schema_for(kind))
        assert has_allow == (kind == "protection")


def test_what_every_header_may_carry() -> None:
    document = typed(
        THESIS
        + "assumes: [The clock is right.]\n"
        + "related:\n  - {id: TH-000, type: derived}\n"
    )  # fmt: skip
    assert document["assumes"] == ["The clock is right."]
    assert document["related"] == [{"id": "TH-000", "type": "derived"}]


def test_the_kind_need_not_come_before_the_header() -> None:
    assert typed(HEADER + THESIS.replace(HEADER, ""))["thesis"] == "TH-001"


# ------------------------------------------------------------------------------- what is wrong

WRONG = [
    # text, code, line, column, rule, what the message or the hint says
    ("stratgy: x\nthesis: TH-001\n", "SHAPE_UNKNOWN_KIND", 1, 1, "", "mean `strategy`?"),
    (f"{HEADER}mashine: x\n", "SHAPE_UNKNOWN_KIND", 6, 1, "", "mean `machine`?"),
    ("title: x\n", "SHAPE_UNKNOWN_KIND", 1, 1, "", "known here: attribution, broker"),
    ("{}", "SHAPE_UNKNOWN_KIND", 1, 1, "", "empty"),
    (THESIS.replace("claim", "clame"), "SHAPE_UNKNOWN_KEY", 7, 1, "TH-001", "mean `claim`?"),
    (THESIS + "size: 1\n", "SHAPE_UNKNOWN_KEY", 11, 1, "TH-001", "`size` is not a key of this th"),
    (THESIS.replace("status: ACTIVE\n", ""), "SHAPE_MISSING_KEY", 1, 1, "TH-001",
     "`status` is missing"),
    (THESIS.replace(", over_trades: 100", ""), "SHAPE_MISSING_KEY", 9, 1, "TH-001",
     "`over_trades` is missing in `invalidated_when`"),
    (THESIS.replace("0.45", "45"), "SHAPE_OUT_OF_RANGE", 10, 20, "TH-001", "at most 1"),
    (THESIS.replace("100", "0"), "SHAPE_OUT_OF_RANGE", 10, 39, "TH-001", "above 0"),
    (THESIS.replace("100", "many"), "SHAPE_WRONG_FORM", 10, 39, "TH-001", "such as 100"),
    (THESIS.replace("ACTIVE", "ACTVE"), "SHAPE_UNKNOWN_VALUE", 8, 9, "TH-001", "mean `ACTIVE`?"),
    (THESIS.replace("ACTIVE", "'ACTVE'"), "SHAPE_UNKNOWN_VALUE", 8, 9, "TH-001", "`ACTVE`"),
    (THESIS.replace("TH-001", "th1"), "SHAPE_WRONG_FORM", 1, 9, "th1", "such as TH-001, not `th1`"),
    (THESIS.replace("format: 1", "format: 2"), "SHAPE_UNKNOWN_VALUE", 6, 9, "TH-001", "here: 1"),
    (THESIS.replace("format: 1", "format: '1'"), "SHAPE_UNKNOWN_VALUE", 6, 9, "TH-001", "quotes"),
    (THESIS.replace("2026-11-22", "22.11.2026"), "SHAPE_WRONG_FORM", 4, 8, "TH-001", "2026-11-22"),
    (THESIS.replace("2026-11-22", "2026-02-30"), "SHAPE_NOT_A_DATE", 4, 8, "TH-001", "calendar"),
    (THESIS.replace("2026-11-22", "|\n  2026-11-22"), "SHAPE_WRONG_FORM", 4, 8, "TH-001", "a date"),
    (THESIS.replace("It is so.\nf", "\nf"), "SHAPE_EMPTY", 5, 1, "TH-001", "`because` is empty"),
    (THESIS.replace("A title", "''"), "SHAPE_EMPTY", 2, 1, "TH-001", "`title` is empty"),
    (THESIS.replace("A title", "x" * 121), "SHAPE_TOO_LONG", 2, 8, "TH-001", "over 120"),
    (THESIS.replace("A title", "[a]"), "SHAPE_WRONG_TYPE", 2, 8, "TH-001", "must be a title"),
    (THESIS.replace("ACTIVE", "{a: b}"), "SHAPE_WRONG_TYPE", 8, 9, "TH-001", "keys or a list"),
    (THESIS + "assumes: one\n", "SHAPE_WRONG_TYPE", 11, 10, "TH-001", "a list such as"),
    (THESIS + "assumes: []\n", "SHAPE_EMPTY", 11, 1, "TH-001", "`assumes` is empty"),
    (THESIS + "assumes: [It is, It is]\n", "SHAPE_DUPLICATE_ITEM", 11, 18, "TH-001", "twice"),
    (THESIS + "related: [{id: A, type: derivd}]\n", "SHAPE_UNKNOWN_VALUE", 11, 25,
     "TH-001.related.A", "mean `derived`?"),
    (THESIS + "related: [{id: A}]\n", "SHAPE_MISSING_KEY", 11, 11, "TH-001.related.A", "`A`"),
    (THESIS + f"assumes: [{'a b,' * 51}]\n", "SHAPE_TOO_MANY", 11, 1, "TH-001", "more than 50"),
    (THESIS + f"assumes: [{'a,' * 201}]\n", "SHAPE_TOO_MANY", 11, 10, "", "More than 200"),
    (THESIS.replace("TH-001", "[a]"), "SHAPE_WRONG_TYPE", 1, 9, "", "a thesis id"),
    # conditions
    (STRATEGY.replace("NEVER: {when", "NEVER: {wen"), "SHAPE_UNKNOWN_KEY", 10, 20,
     "mine.no_trade.NEVER", "mean `when`?"),
    (STRATEGY.replace("{NEVER: {when: a, ", "{NEVER: {"), "SHAPE_MISSING_KEY", 10, 12,
     "mine.no_trade.NEVER", "`when` is missing in `NEVER`"),
    (STRATEGY.replace("NEVER", "Never"), "SHAPE_BAD_NAME", 10, 12, "mine", "such as STOP_LOSS"),
    (STRATEGY.replace("exits: {E", "exits: {} #"), "SHAPE_EMPTY", 12, 1, "mine", "`exits` is em"),
    (STRATEGY.replace("{EVER: {", "{EVER: {on_unknown: hold, "), "SHAPE_UNKNOWN_VALUE", 12, 28,
     "mine.exits.EVER", "known here: skip"),
    (STRATEGY.replace("when: a", "when: [a]", 1), "SHAPE_WRONG_TYPE", 10, 26,
     "mine.no_trade.NEVER", "an expression"),
    # params
    (params("value: 3"), "SHAPE_MISSING_KEY", 14, 3, "mine.params.p", "is missing in `p`"),
    (params("vlue: limits.a"), "SHAPE_UNKNOWN_KEY", 14, 7, "mine.params.p", "mean `value`?"),
    (params("value: 3, mn: 1, max: 5, unit: usd"), "SHAPE_UNKNOWN_KEY", 14, 17,
     "mine.params.p", "mean `min`?"),
    (params("value: 3, min: 1, max: 5, unit: usb"), "SHAPE_UNKNOWN_VALUE", 14, 39,
     "mine.params.p", "mean `usd`?"),
    (params("value: limit.a"), "SHAPE_WRONG_FORM", 14, 14, "mine.params.p", "limits.daily_loss"),
    (params("value: 3, min: 1s, max: 5s, unit: duration"), "SHAPE_WRONG_FORM", 14, 14,
     "mine.params.p", "a duration such as 30s"),
    (params("value: 3 m, min: 1m, max: 5m, unit: duration"), "SHAPE_WRONG_FORM", 14, 14,
     "mine.params.p", "not `3 m`"),
    (params("value: 9:00-25:00, min: 09:30, max: 16:00, unit: exchange_time"),
     "SHAPE_WRONG_FORM", 14, 14, "mine.params.p", "a window such as 10:00-11:30"),
    (params("value: 2.5, min: 1, max: 5, unit: bars"), "SHAPE_NOT_WHOLE", 14, 14,
     "mine.params.p", "whole number, not `2.5`"),
    (params("value: [1], min: 1, max: 5, unit: usd"), "SHAPE_WRONG_TYPE", 14, 14,
     "mine.params.p", "a number such as"),
    (STRATEGY + "params:\n  Pct: {value: limits.a}\n", "SHAPE_BAD_NAME", 14, 3, "mine", "a name"),
    (STRATEGY + "params: {p: 3}\n", "SHAPE_WRONG_TYPE", 13, 13, "mine.params.p", "keys with v"),
    (STRATEGY.replace("step: 1", "step: 0"), "SHAPE_OUT_OF_RANGE", 11, 69, "mine", "above 0"),
    (STRATEGY.replace("step: 1", "step: one"), "SHAPE_NOT_A_NUMBER", 11, 69, "mine", "not `one`"),
    (STRATEGY + "measures: {v: {vwap: bars, over: sesion}}\n", "SHAPE_WRONG_FORM", 13, 34,
     "mine.measures.v", "mean `session`?"),
    # protections and machines
    (PROTECTION.replace("5m", "rest_of_sesion"), "SHAPE_WRONG_FORM", 10, 6, "guard",
     "mean `rest_of_session`?"),
    (PROTECTION.replace("desk", "account"), "SHAPE_UNKNOWN_VALUE", 7, 8, "guard", "here: desk"),
    (MACHINE + "    when: a\n", "SHAPE_MISSING_KEY", 10, 5, "thing.transitions.XX-01", "`else`"),
    (MACHINE + "    else: XX-02\n", "SHAPE_MISSING_KEY", 10, 5, "thing.transitions.XX-01", "`wh"),
    (MACHINE.replace("from: ON", "from: on"), "SHAPE_WRONG_FORM", 12, 11,
     "thing.transitions.XX-01", "a state such as"),
    (MACHINE.replace("from: ON", "from: [ON, off]"), "SHAPE_WRONG_FORM", 12, 16,
     "thing.transitions.XX-01", "Item 2 of `from`"),
    (MACHINE.replace("from: ON", "from: {a: ON}"), "SHAPE_WRONG_TYPE", 12, 11,
     "thing.transitions.XX-01", "a state such as PENDING or a list"),
    (MACHINE.replace("from: ON", "from: [ON, ON]"), "SHAPE_DUPLICATE_ITEM", 12, 16,
     "thing.transitions.XX-01", "twice"),
    (MACHINE.replace("  - id: XX-01\n", "  - XX-01\n  - id: XX-01\n"), "SHAPE_WRONG_TYPE", 10, 5,
     "thing", "Item 1 of `transitions`"),
    (MACHINE.replace("It runs.", "It runs., terminal: yes"), "SHAPE_NOT_A_BOOLEAN", 8, 42,
     "thing.states.ON", "mean `true`?"),
    (MACHINE.replace("It runs.", "It runs., terminal: 'true'"), "SHAPE_NOT_A_BOOLEAN", 8, 42,
     "thing.states.ON", "must be true or false"),
    (MACHINE + "    requires: [broker_order]\n", "SHAPE_UNKNOWN_VALUE", 15, 16,
     "thing.transitions.XX-01", "mean `broker_order_id`?"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "line", "column", "rule", "words"), WRONG)
def test_each_mistake_is_told_at_its_place(
    text: str, code: str, line: int, column: int, rule: str, words: str
) -> None:
    problems = refused(text)
    first = problems[0]
    assert (first.code, first.rule) == (code, rule)
    assert first.place == Place("a.yaml", line, column)
    assert words in first.message + first.hint
    # Only a param without its range has more than one thing wrong with it.
    assert len(problems) == (3 if "value: 3}" in text else 1)


def test_every_code_is_declared_and_has_a_case_here() -> None:
    assert {code for _, code, *_ in WRONG} | {"SHAPE_TOO_MANY_PROBLEMS"} == set(shape.CODES)


NOT_NUMBERS = [
    ("NaN", "finite"), (".nan", "finite"), ("inf", "finite"), ("-.Inf", "finite"),
    ("1e400", "exponent"), ("1E5", "exponent"), ("0x10", "decimal digits"), ("0o17", "decimal"),
    ("0b1", "decimal"), ("1_000", "`_`"), ("1,000", "`,`"), ("+5", "`+`"), ("010", "leading 0"),
    ("00.5", "leading 0"), (".5", "both sides"), ("5.", "both sides"), ("30%", "ratio"),
    ("9" * 16, "digits"), ("0." + "1" * 13, "digits"), ("'10'", "quotes"), ('"0.5"', "quotes"),
    ("|\n      10", "quotes"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "why"), NOT_NUMBERS)
def test_what_only_looks_like_a_number_is_refused(text: str, why: str) -> None:
    # As a text of its own line, because a comma in a flow mapping starts another key.
    rule = f"{STRATEGY}params:\n  p:\n    value: {text}\n    min: 1\n    max: 5\n    unit: usd\n"
    [problem] = refused(rule)
    assert problem.code == "SHAPE_NOT_A_NUMBER"
    assert problem.place[1:] == (15, 12)
    assert why in problem.hint


@pytest.mark.parametrize("text", ["ON", "on", "yes", "True", "TRUE", "1", "y"])
def test_only_true_and_false_are_booleans(text: str) -> None:
    [problem] = refused(MACHINE.replace("It runs.", f"It runs., terminal: {text}"))
    assert problem.code == "SHAPE_NOT_A_BOOLEAN"
    assert f"not `{text}`" in problem.message


def test_no_sentence_is_the_library_s_own() -> None:
    for text, *_ in WRONG:
        for problem in refused(text):
            said = problem.message + problem.hint
            assert not re.search(r"Decimal|is not of type|does not match|schemas|\{'|\['", said)


@pytest.mark.parametrize("entry", ["  p{}: 3\n", "  P{}: 3\n"])
def test_problems_are_capped(entry: str) -> None:
    many = "".join(entry.format(number) for number in range(100))
    problems = refused(f"{STRATEGY}params:\n{many}")
    assert len(problems) == shape.MAX_PROBLEMS + 1
    assert problems[-1].code == "SHAPE_TOO_MANY_PROBLEMS"


# ------------------------------------------------------------------- typos in the shipped rules

KEYED = {
    "strategies",
    "params", "measures", "values", "no_trade", "exits", "entries", "states", "sets_aside",
    "blocks_entries", "rows", "looks_again", "tolerates", "refuses", "always",
    "answers",
    "forms", "tags", "expected", "failure_regimes",
}  # fmt: skip
CHOICES = {
    "status", "timeframe", "side", "type", "round", "over", "unit", "scope", "blocks", "for",
    "on_unknown", "do", "raises", "severity", "terminal", "requires", "request",
}  # fmt: skip


def _scalars(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Scalar, str]]:
    """Every known key, author's name and chosen value, with the kind of thing it is."""
    if isinstance(node, Mapping):
        for key, value in node.pairs:
            is_name = (len(path) == 1 and path[0] in KEYED) or path == ("invalidated_when", "rules")
            yield ("name" if is_name else "key"), key, key.text
            yield from _scalars(value, (*path, key.text))
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _scalars(item, path)
    elif path[-1] in CHOICES:
        yield "value", node, path[-1]


def _with(text: str, scalar: Scalar, word: str) -> str:
    lines = text.split("\n")
    before, column = lines[scalar.place.line - 1], scalar.place.column - 1
    assert before[column:].startswith(scalar.text)
    lines[scalar.place.line - 1] = before[:column] + word + before[column + len(scalar.text) :]
    return "\n".join(lines)


@EVERY_SHIPPED
def test_every_typo_in_a_shipped_rule_is_one_problem_exactly_there(file: RuleFile) -> None:
    """A word that many rows of a table say alike is misspelt once; MQD_EVERY_WORD=1 for all."""
    tree = load_text(file.text, file.shown, Problems())
    assert tree is not None
    codes = {
        "key": {"SHAPE_UNKNOWN_KEY", "SHAPE_UNKNOWN_KIND"},
        "name": {"SHAPE_BAD_NAME"},
        "value": {"SHAPE_UNKNOWN_VALUE", "SHAPE_NOT_A_BOOLEAN", "SHAPE_WRONG_FORM"},
    }
    found = list(_scalars(tree))
    once = {(what, key, scalar.text): (what, scalar, key) for what, scalar, key in found}
    assert len(once) > 5
    for what, scalar, _ in found if EVERY_WORD else once.values():
        for word in ("9-x",) if what == "name" else (scalar.text + "x", scalar.text[:-1]):
            [problem] = refused(_with(file.text, scalar, word))
            assert problem.place[1:] == scalar.place[1:]
            assert problem.code in codes[what]
            assert what == "name" or problem.hint


# --------------------------------------------------------------------------------- the schemas


def test_there_is_one_schema_a_kind() -> None:
    names = {path.name for path in (ROOT / "schemas").iterdir()}
    assert names == {f"{kind}.schema.json" for kind in KINDS}
    with pytest.raises(KeyError):
        schema_for("../strategy")


def test_a_schema_handed_out_is_a_copy() -> None:
    schema_for("thesis").clear()
    assert schema_for("thesis")["properties"]


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_schemas(kind: str) -> None:
    schema = schema_for(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert next(iter(schema["properties"])) == kind


@pytest.mark.parametrize("kind", KINDS)
def test_what_two_schemas_share_is_the_same_in_both(kind: str) -> None:
    """Each schema is whole by itself, for editors; so the shared parts must not drift apart."""
    shared, schema = schema_for("strategy"), schema_for(kind)
    for name in shared["$defs"].keys() & schema["$defs"].keys():
        assert schema["$defs"][name] == shared["$defs"][name]
    header = ("title", "owner", "since", "because", "format", "assumes", "related")
    for name in header:
        assert schema["properties"][name] == shared["properties"][name]


def _subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for value in (
        schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    ):
        yield from _subschemas(value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_object_is_closed_and_every_map_is_ordered(kind: str) -> None:
    for schema in _subschemas(schema_for(kind)):
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False
            assert ("patternProperties" in schema) == (schema.get("x-ordered") is True)
            # Unknown names must be told before missing ones, or a typo is told twice.
            order = [key for key in schema if key in {"additionalProperties", "required", "allOf"}]
            assert order[0] == "additionalProperties"


@pytest.mark.parametrize("kind", KINDS)
def test_expressions_and_examples_are_marked(kind: str) -> None:
    for schema in _subschemas(schema_for(kind)):
        if schema.get("title") == "expression":
            assert schema["format"] == "expression"
        for example in schema.get("examples", ()):
            jsonschema.validate(example, {**schema, "$defs": schema_for(kind)["$defs"]})


def _as_an_editor_reads(node: Node) -> Any:
    """YAML 1.2's own types, which an editor gives a value before it looks into the schema."""
    if isinstance(node, Mapping):
        return {key.text: _as_an_editor_reads(value) for key, value in node.pairs}
    if isinstance(node, Sequence):
        return [_as_an_editor_reads(item) for item in node.items]
    if not node.quoted and re.fullmatch(r"[-+]?[0-9]+", node.text):
        return int(node.text)
    if not node.quoted and re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)", node.text):
        return float(node.text)
    return {"true": True, "false": False, "null": None, "": None}.get(node.text, node.text)


@EVERY_SHIPPED
def test_an_editor_finds_the_shipped_rules_right(file: RuleFile) -> None:
    first, tree = file.text.split("\n")[0], load_text(file.text, file.shown, Problems())
    assert tree is not None
    link = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert link, "the first line must tell editors where the schema is"
    schema = json.loads((file.path.parent / link[1]).read_text(encoding="utf-8"))
    assert schema == schema_for(tree.pairs[0][0].text)
    jsonschema.Draft202012Validator(schema).validate(_as_an_editor_reads(tree))
