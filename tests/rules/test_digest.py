"""The digest: what it does not depend on, what it does, and the way back from its text."""

from __future__ import annotations

import json
import random
import re
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

import pytest

from mqd.ground.canonical import digest
from mqd.ground.errors import JournalError, RuleError, SettingsError
from mqd.rules.book import RuleBook
from mqd.rules.changes import Changes
from mqd.rules.compile.book import CompiledBook, compile_book
from mqd.rules.digest import NUMERIC, ORDERED
from mqd.rules.load import load_text
from mqd.rules.problems import Place, Problems
from mqd.rules.shape import KINDS, schema_for
from mqd.rules.tree import Mapping, Node, Scalar, Sequence, at
from mqd.rules.validate import load_rules, rules_from_text, validate

STRATEGY = "strategies/vwap_micro_mean_reversion.yaml"
LIMITS = "limits/desk.yaml"
ORDERS = "orders/lifecycle.yaml"
LOSS = "protections/daily_loss_limit.yaml"
ID = "vwap_micro_mean_reversion"


def dumped(node: Node, indent: str = "", *, turned: bool = False, key: str = "") -> str:
    """The tree as YAML of another style: double quotes, deeper indents, free keys turned round."""
    if isinstance(node, Scalar):
        return f" {json.dumps(node.text)}\n" if needs_quotes(node, key) else f" {node.text}\n"
    if isinstance(node, Sequence):
        items = [dumped(item, indent + "     ", turned=turned, key=key) for item in node.items]
        return "\n" + "".join(f"{indent}  -{item}" for item in items)
    pairs = list(node.pairs)
    if turned and key not in ORDERED and indent:
        pairs.reverse()
    parts = [
        f'{indent}"{name.text}":' + dumped(value, indent + "   ", turned=turned, key=name.text)
        for name, value in pairs
    ]
    return ("\n" if indent else "") + "  # a comment\n".join([*parts[:-1], parts[-1]])


def needs_quotes(node: Scalar, key: str) -> bool:
    """Numbers and booleans must stay bare; everything else may stand in quotes."""
    return key not in NUMERIC and not re.fullmatch(r"[0-9.]+|true|false", node.text)


def spaced(text: str) -> str:
    """An expression with other spaces and needless parentheses."""
    return "( " + re.sub(r" ?([<>=!*/+-]+) ?", r"  \1 ", text) + " )"


@pytest.fixture
def before(folder) -> str:
    return str(folder.report().digest)


def test_comments_and_blank_lines_do_not_count(folder, before: str) -> None:
    for path in folder.root.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        path.write_text("# first\n\n" + text.replace("\n", "  # so\n\n"), encoding="utf-8")
    assert folder.report().digest == before


@pytest.mark.parametrize("turned", [False, True])
def test_style_quotes_and_the_order_of_free_keys_do_not_count(
    folder, before: str, turned: bool
) -> None:
    for path in folder.root.rglob("*.yaml"):
        tree = load_text(path.read_text(encoding="utf-8"), path.name, Problems())
        assert tree is not None
        text = re.sub(r"\n( *\"[^\n]*\":)  # a comment\n", r"\n\1\n", dumped(tree, turned=turned))
        path.write_text(text, encoding="utf-8")
    report = folder.report()
    assert not report.problems
    assert report.digest == before


def test_spaces_inside_expressions_do_not_count(folder, before: str) -> None:
    for path in folder.root.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"(?m)(?<=[ _]when: )(\w.*)$", lambda found: spaced(found[0]), text)
        path.write_text(text, encoding="utf-8")
    assert folder.report().digest == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value: 0.003, min: 0.002, max: 0.006", "value: 0.0030, min: 0.0020, max: 0.0060"),
        ("value: 1.50", "value: 1.5"),
        ("value: 500,", "value: 500.000,"),
        ("step: 0.001", "step: 0.0010"),
        ("status: paper", 'status: "paper"'),
        ("  symbol: SPY\n  timeframe: 1Min\n", "  timeframe: 1Min\n  symbol: SPY\n"),
        ("vwap is unknown", "vwap is not known"),
        ("loss: bar.close * (1 - stop", "loss: bar.close * (1.000 - stop"),
        ("    when: position.is_open", "    when: >-\n      position.is_open"),
    ],
)  # fmt: skip
def test_two_ways_to_write_one_thing_are_one(folder, before: str, old: str, new: str) -> None:
    folder.replace(STRATEGY, old, new)
    report = folder.report()
    assert not report.problems
    assert report.digest == before


def test_a_title_in_digits_stays_as_it_is_written(folder) -> None:
    folder.replace(STRATEGY, "title: VWAP micro mean reversion", "title: '1.50'")
    book = folder.report().book
    again = rules_from_text(book.canonical)
    assert again.strategies[0].header.title == "1.50"
    assert again.digest == book.digest


def test_every_value_counts(folder) -> None:
    """Each scalar of each file, replaced in the text the digest is taken of, gives another one."""
    book = folder.report().book
    whole = json.loads(book.canonical)
    seen = {book.digest}
    count = 0
    for holder, key in scalars_of(whole["documents"]):
        kept = holder[key]
        holder[key] = kept + "x"
        seen.add(digest(json.dumps(whole)))
        holder[key] = kept
        count += 1
    assert len(seen) == count + 1
    written = 0
    for path in sorted(folder.root.rglob("*.yaml")):
        tree = load_text(path.read_text(encoding="utf-8"), path.name, Problems())
        assert tree is not None
        written += count_of(tree)
    # Keys of ordered mappings are scalars there, and each document names its kind and id once more.
    ordered = book.canonical.count('{"ordered":')
    assert ordered > 5
    assert count >= written


def scalars_of(body: Any) -> list[tuple[Any, Any]]:
    items = body.items() if isinstance(body, dict) else enumerate(body)
    found: list[tuple[Any, Any]] = []
    for key, value in items:
        found += [(body, key)] if isinstance(value, str) else scalars_of(value)
    return found


def count_of(node: Node) -> int:
    if isinstance(node, Mapping):
        return sum(count_of(value) for _, value in node.pairs)
    return sum(map(count_of, node.items)) if isinstance(node, Sequence) else 1


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (STRATEGY, "value: 0.003, min: 0.002, max: 0.006", "value: 0.0031, min: 0.002, max: 0.006"),
        (STRATEGY, "min: 5, ", "min: 6, "),
        (STRATEGY, "step: 0.001", "step: 0.01"),
        (STRATEGY, "bar.close >= vwap\n", "bar.close > vwap\n"),
        (STRATEGY, "because: Nothing is held overnight.", "because: Nothing is held over night."),
        (STRATEGY, "status: paper", "status: shadow"),
        (LIMITS, "daily_loss_usd:\n    value: 10", "daily_loss_usd:\n    value: 11"),
        (ORDERS, "because: A day order ends with the day.", "because: It ends."),
        (LOSS, "rest_of_session", "while_true"),
        (LOSS, "on_unknown: block\n", ""),
    ],
)
def test_what_a_reader_can_see_counts(folder, before: str, file: str, old: str, new: str) -> None:
    folder.replace(file, old, new)
    after = folder.report()
    assert not after.problems
    assert after.digest != before


@pytest.mark.parametrize(("section", "first", "second"), [
    ("exits", "MEAN_REVERSION", "FORCE_FLAT"),
    ("no_trade", "VWAP_UNAVAILABLE", "OUTSIDE_WINDOW"),
])  # fmt: skip
def test_the_order_of_conditions_counts(
    folder, before: str, section: str, first: str, second: str
) -> None:
    blocks = re.search(
        rf"(?s)(  {first}:\n.*?)(  {second}:\n.*?)(?=\n\n|\n  [A-Z]|\Z)", folder.text(STRATEGY)
    )
    assert blocks
    one, two = blocks[1].rstrip("\n"), blocks[2].rstrip("\n")
    folder.replace(STRATEGY, f"{one}\n{two}", f"{two}\n{one}")
    after = folder.report()
    assert not after.problems
    assert after.digest != before
    codes = [rule.code for rule in getattr(after.book.strategies[0], section)]
    assert codes.index(second) < codes.index(first)


def ordered_in(schema: Any, name: str = "") -> set[str]:
    if isinstance(schema, list):
        return set().union(*(ordered_in(item) for item in schema))
    if not isinstance(schema, dict):
        return set()
    found = {name} if schema.get("x-ordered") else set()
    for key, inner in schema.items():
        named = inner.items() if key == "properties" and isinstance(inner, dict) else [(key, inner)]
        for inner_name, each in named:
            found |= ordered_in(each, inner_name)
    return found


def numeric_in(schema: Any, root: Any, name: str = "") -> set[str]:
    if isinstance(schema, list):
        return set().union(*(numeric_in(item, root, name) for item in schema))
    if not isinstance(schema, dict):
        return set()
    found = {name} if schema.get("type") in {"number", "integer"} else set()
    if "$ref" in schema:
        found |= numeric_in(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, name)
    for key, inner in schema.items():
        if key == "properties":
            for inner_name, each in inner.items():
                found |= numeric_in(each, root, inner_name)
        elif key in {"anyOf", "oneOf", "allOf", "items", "then", "else", "patternProperties"}:
            parts = inner.values() if key == "patternProperties" else inner
            found |= numeric_in(list(parts) if key == "patternProperties" else parts, root, name)
    return found


def test_what_is_ordered_and_what_is_a_number_is_as_the_schemas_say() -> None:
    schemas = [schema_for(kind) for kind in KINDS]
    assert set().union(*(ordered_in(schema) for schema in schemas)) == ORDERED
    assert set().union(*(numeric_in(schema, schema) for schema in schemas)) == NUMERIC


# -- the way back -------------------------------------------------------------------------------


def without_places(value: Any) -> Any:
    """A book as plain data, places and the machines' tables (made of the rows) left out."""
    if isinstance(value, Place):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        body = {name: without_places(getattr(value, name)) for name in names if name != "table"}
        return type(value).__name__, body
    if isinstance(value, (tuple, list)):
        return [without_places(item) for item in value]
    return value


CHANGES = [
    Changes(),
    Changes(values={"stop_loss_pct": "0.004", "daily_loss_limit_usd": "7.5"}),
    Changes(values={"trade_window": "09:45-15:00", "flat_before_close": "60m"}),
    Changes(values={"max_notional_usd": "1000"}),  # the value of a limit, said for this run
    Changes(symbol="QQQ"),
    Changes(strategy=ID),
    Changes(protections=()),
    Changes(protections=("time_window",)),
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: repr(changes)[8:60])
def test_the_canonical_text_gives_an_equal_book(folder, changes: Changes) -> None:
    book = load_rules(folder.root, changes)
    again = rules_from_text(book.canonical)
    assert again.digest == book.digest == digest(book.canonical)
    assert again.canonical == book.canonical
    assert without_places(again) == without_places(book)
    assert set(again.order_machine.table) == set(book.order_machine.table)
    assert sources(compile_book(again)) == sources(compile_book(book))


def sources(compiled: CompiledBook) -> list[str]:
    names = (
        "sets_aside", "blocks_entries", "entry_checks", "exit_checks",
        "order_watch", "position_watch", "desk_watch", "drift_looks_again", "drift_tolerates",
        "drift_refuses", "invariants",
    )  # fmt: skip
    found = [strategy.source for strategy in compiled.strategies]
    found += [str(strategy.constants) for strategy in compiled.strategies]
    found += [compiled.protections.possible.source, compiled.protections.certain.source]
    return found + [getattr(compiled, name).source for name in names]


def test_a_text_that_is_no_rule_book_is_a_journal_error(folder) -> None:
    canonical = folder.report().book.canonical
    whole = json.loads(canonical)
    spoilt = ["", "[]", "3", "null", '"a"', "{}", '{"format":2}', '{"format":1}',
              '{"format":1,"documents":3}', '{"format":1,"documents":[[1]]}',
              '{"format":1,"documents":[]}', "[" * 100_000,
              json.dumps({**whole, "documents": whole["documents"][1:]})]  # fmt: skip
    chance = random.Random(1)
    for _ in range(60):
        body = json.loads(canonical)
        holder, key = chance.choice(scalars_of(body["documents"]))
        holder[key] = chance.choice([["a"], {"ordered": 3}, "", "nonsense \n here", {"b": "c"}])
        spoilt.append(json.dumps(body))
    refused = 0
    for text in spoilt:
        try:
            rules_from_text(text)
        except JournalError:
            refused += 1
    assert refused >= len(spoilt) - 25  # free text may be anything


def test_a_hostile_journal_cannot_write_code(folder) -> None:
    canonical = folder.report().book.canonical
    for place in ("SIZE_IS_ZERO", "OL-02", "vwap_min_bars", "stop_loss_pct"):
        evil = json.dumps(f"{place}\n    raise SystemExit('in')  #")[1:-1]
        with pytest.raises(JournalError):
            compile_book(rules_from_text(canonical.replace(f'"{place}"', f'"{evil}"')))


# -- changes for one run ------------------------------------------------------------------------


def test_every_change_gives_another_digest(folder) -> None:
    found = {load_rules(folder.root, changes).digest for changes in CHANGES}
    assert len(found) == len(CHANGES)


def test_a_change_reaches_the_book(folder) -> None:
    changes = Changes(
        symbol="QQQ", values={"stop_loss_pct": "0.004", "trade_window": "09:45-12:00"}
    )
    book = load_rules(folder.root, changes)
    strategy = book.strategies[0]
    assert strategy.symbol == "QQQ"
    params = {param.name: param.value for param in strategy.params}
    assert params["stop_loss_pct"] == Decimal("0.004")
    limits = {limit.name: limit.value for limit in book.limits}
    assert params["trade_window"] == limits["entry_window"]
    assert limits["entry_window"].start_s == 9 * 3600 + 45 * 60


def test_a_limit_is_changed_for_everyone_through_the_param_that_names_it(folder) -> None:
    book = load_rules(folder.root, Changes(values={"daily_loss_limit_usd": "4"}))
    strategy = compile_book(book).strategies[0]
    assert strategy.constants["p_daily_loss_limit_usd"] == 4.0
    assert next(one for one in book.limits if one.name == "daily_loss_usd").value == 4


def test_the_order_and_the_repetition_of_kept_protections_do_not_count(folder) -> None:
    digests = {
        load_rules(folder.root, Changes(protections=names)).digest
        for names in [
            ("time_window", "daily_loss_limit"),
            ("daily_loss_limit", "time_window"),
            ("daily_loss_limit", "time_window", "time_window"),
        ]
    }
    assert len(digests) == 1


def test_a_value_as_it_is_written_changes_nothing(folder, before: str) -> None:
    changes = Changes(symbol="SPY", values={"stop_loss_pct": "0.0030", "flat_before_close": "5m"})
    assert load_rules(folder.root, changes).digest == before


IMPOSSIBLE = [
    (Changes(values={"stop_loss_pct": "0.006"}), "outside its declared range 0.002 to 0.005"),
    (Changes(values={"stop_loss_pct": "a lot"}), "not a value in ratio"),
    (Changes(values={"stop_loss_pct": "limits.x"}), "not a value in ratio"),
    (Changes(values={"stop_loss_pct": "nan"}), "not a value in ratio"),
    (Changes(values={"vwap_min_bars": "20.5"}), "a whole number"),
    (Changes(values={"daily_loss_limit_usd": "51"}), "outside its declared range 1 to 50"),
    (Changes(values={"trade_window": "11:30-10:00"}), "whose start is before its end"),
    (Changes(values={"trade_window": "08:00-10:00"}), "outside its declared range 09:30 to 16:00"),
    (Changes(values={"flat_before_close": "300"}), "a duration such as 30s, 5m or 2h"),
    (Changes(values={"stop_los_pct": "0.003"}), "did you mean `stop_loss_pct`?"),
    (Changes(values={"daily_loss_usd": "5"}), "there is no param `daily_loss_usd`"),
    (Changes(strategy="vwap"), "there is no strategy `vwap`"),
    (Changes(symbol="spy"), "expected a ticker such as SPY"),
    (Changes(symbol="SPY\n"), "expected a ticker such as SPY"),
    (Changes(protections=("time_windw",)), "did you mean `time_window`?"),
]


@pytest.mark.parametrize(("changes", "words"), IMPOSSIBLE, ids=lambda value: repr(value)[:60])
def test_an_impossible_change_is_refused_in_one_line(folder, changes: Changes, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_rules(folder.root, changes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_with_changes_does_not_hide_what_is_wrong_in_the_files(folder) -> None:
    folder.replace(STRATEGY, "{value: limits.daily_loss_usd}",
                   "{value: 10, min: 1, max: 50, unit: usd}")  # fmt: skip
    with pytest.raises(RuleError):
        load_rules(folder.root, Changes(values={"stop_loss_pct": "0.004"}))


def second_strategy(folder) -> None:
    """Another strategy beside the shipped one, the only one to read a limit of its own."""
    limit = "value: 3\n    min: 1\n    max: 4\n    unit: usd\n    because: No.\n"
    first = "  daily_loss_usd:"
    folder.replace(LIMITS, first, f"  other_usd:\n    {limit}{first}")
    text = folder.text(STRATEGY).replace(f"strategy: {ID}", "strategy: other")
    text = text.replace("{value: limits.daily_loss_usd}", "{value: limits.other_usd}")
    folder.write("strategies/other.yaml", text)


def test_one_strategy_of_two_can_run_alone(folder) -> None:
    second_strategy(folder)
    assert [one.code for one in folder.problems()] == ["ALLOCATION_MISSING"]  # which is a warning
    both = load_rules(folder.root)
    alone = load_rules(folder.root, Changes(strategy=ID))
    assert [one.id for one in both.strategies] == [ID, "momentum_following", "other"]
    assert [one.id for one in alone.strategies] == [ID]
    assert alone.digest != both.digest
    assert rules_from_text(alone.canonical).digest == alone.digest


def test_a_param_of_two_strategies_is_changed_in_both(folder) -> None:
    second_strategy(folder)
    book = load_rules(folder.root, Changes(values={"stop_loss_pct": "0.005"}))
    for strategy in book.strategies:
        values = {param.name: param.value for param in strategy.params}
        assert values["stop_loss_pct"] == Decimal("0.005")


def test_validate_leaves_the_files_alone(folder) -> None:
    texts = {path: path.read_bytes() for path in folder.root.rglob("*.yaml")}
    validate(folder.root, Changes(values={"stop_loss_pct": "0.004"}))
    assert {path: path.read_bytes() for path in folder.root.rglob("*.yaml")} == texts


def test_a_book_is_found_by_its_strategies(folder) -> None:
    book: RuleBook = folder.report().book
    assert book.strategy(ID).id == ID
    assert compile_book(book).strategy(ID).rules is book.strategy(ID)
    with pytest.raises(KeyError):
        book.strategy("none")
    assert at(Mapping((), Place("", 1, 1)), "a") is None
