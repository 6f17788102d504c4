"""The pages beside the invariants: whole, true to the rules, and reached by every change."""

from __future__ import annotations

import re
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest

from mqd.app.pages import beside_the_rules, worked_examples
from mqd.ground.canonical import decimal_text
from mqd.ground.errors import SettingsError
from mqd.ground.units import UNITS
from mqd.publish import markdown
from mqd.publish.beside import Beside, Command, Parameter
from mqd.publish.deviations import read_deviations
from mqd.publish.enumerated import meanings
from mqd.publish.exercised import exercised_rules
from mqd.publish.pages import render_pages, stale_pages, write_pages
from mqd.publish.rulefiles import read_sources
from mqd.publish.uses import uses
from mqd.rules.compile.measures import FUNCTIONS
from mqd.rules.words.facts import ENTRY_QTY, FACTS
from mqd.rules.words.reporting import SLOWEST

ROOT = Path(__file__).resolve().parents[2]
STRATEGY = "strategies/vwap_micro_mean_reversion"
PAGE = f"{STRATEGY}.md"
UNREACHABLE = "    expected_unreachable: The sizes stay above zero.\n"
TOO_QUIET = "  TOO_QUIET:\n    when: bar.volume < 100\n    because: Nobody is there.\n"


@pytest.fixture(scope="module")
def example(book):
    return worked_examples(book)["vwap_micro_mean_reversion"]


@pytest.fixture(scope="module")
def whole(book):
    """Every page as it is published."""
    beside = beside_the_rules(book, ROOT / "docs", COMMANDS)
    return render_pages(book, read_sources(book), beside)


COMMANDS = (
    Command(
        "do",
        "Does it. Well.",
        (
            Parameter(
                "--how", "this | that", "this", "How.",
                is_option=True, is_required=False, declared="mqd/cli/do.py:8",
            ),
            Parameter(
                "FILE", "", "", "What.",
                is_option=False, is_required=True, declared="mqd/cli/do.py:9",
            ),
        ),
        "mqd/cli/do.py:7",
    ),
    Command("rest", "Rests.", (), "mqd/cli/rest.py:5"),
)  # fmt: skip


def _changed(old: dict[str, str], new: dict[str, str]) -> set[str]:
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def _again(book) -> dict[str, str]:
    return render_pages(book, read_sources(book))


# -- what is on the pages --------------------------------------------------------------------------


def test_every_reason_not_to_trade_is_on_its_page(book, pages) -> None:
    page = pages["no-trade.md"]
    wanted = [*book.sets_aside.conditions, *book.blocks_entries.conditions]
    wanted += book.entry_checks.conditions
    # One that makes entries smaller keeps none out: it stands on the page of limits alone.
    wanted += [each.trips_when for each in book.protections if each.sizes is None]
    wanted += [rule for strategy in book.strategies for rule in strategy.no_trade]
    assert len(wanted) > 25
    for rule in wanted:
        line = f"#line-{rule.place.line})"
        rows = [row for row in page.splitlines() if f"</a>`{rule.code}`<br>" in row and line in row]
        assert len(rows) == 1, rule.code
        assert f"`{rule.text}`" in rows[0]
        assert not rule.because or markdown.text(rule.because) in rows[0]
    assert "STOP_LOSS`" not in page.replace("STOP_LOSS_", "")


def test_a_strategy_is_whole_on_its_own_page(book, pages) -> None:
    strategy = book.strategies[0]
    page = pages[PAGE]
    for rule in (*strategy.no_trade, *strategy.exits):
        assert f"</a>`{rule.code}`<br>" in page
        assert f"`{rule.text}`" in page
    for param in strategy.params:
        assert f"</a>`{param.name}`<br>" in page
    for measure in strategy.measures:
        assert FUNCTIONS[measure.function].formula in page
    assert strategy.entry.qty.text in page
    assert strategy.entry.stop_loss_text in page
    assert meanings("strategy", "status")[strategy.status] in page
    assert "A worked example" not in page  # nobody made one


def test_the_worked_example_is_a_real_decision(book, example, whole) -> None:
    page = whole[PAGE].split("## A worked example")[1]
    shown = example.decision.explained
    assert (shown.outcome, example.exit.explained.outcome) == ("ENTER", "EXIT")
    assert "synthetic and no market data" in page
    assert example.decision.at in page
    assert f"| `{example.trade.exit_reason}`<br>[line&nbsp;" in page
    assert page.count(" | yes | ") == 1
    assert f"{decimal_text(example.qty)} shares, with a planned stop at" in page
    for rule in book.strategies[0].no_trade:
        link = f"[line&nbsp;{rule.place.line}](../rules/{STRATEGY}.yaml.md#line-{rule.place.line})"
        assert f"| `{rule.code}`<br>{link} | no |" in page


def test_without_a_trade_the_nearest_miss_is_the_example(edited) -> None:
    book = edited(f"{STRATEGY}.yaml", ("when: not strategy.enabled", "when: strategy.enabled"))
    example = worked_examples(book)["vwap_micro_mean_reversion"]
    assert example.decision.explained.blocked_by[0] == "STRATEGY_DISABLED"
    assert (example.qty, example.trade, example.exit) == (None, None, None)
    page = render_pages(book, read_sources(book), Beside(examples={example.strategy: example}))
    assert "no trade: STRATEGY&#95;DISABLED" in page[PAGE] or "no trade: STRATEGY_" in page[PAGE]
    assert "What it asked for" not in page[PAGE]


def test_a_strategy_that_does_not_run_has_no_example(edited) -> None:
    book = edited(f"{STRATEGY}.yaml", ("status: paper\n", "status: draft\n"))
    assert worked_examples(book) == {}
    assert "It does not run." in _again(book)[PAGE]


def test_every_limit_says_who_reads_it(book, pages) -> None:
    read = uses(book)
    for limit in book.limits:
        anchor = markdown.anchor("limit", limit.name)
        (row,) = [line for line in pages["limits.md"].splitlines() if anchor in line]
        assert markdown.text(limit.because) in row
        if limit.name in SLOWEST:
            assert "`mqd report latency`" in row
            continue
        assert read[f"limits.{limit.name}"]
        for use in read[f"limits.{limit.name}"]:
            assert f"[`{use.rule}`](rules/" in row
    for protection in book.protections:
        assert f"### {protection.header.title}" in pages["limits.md"]
        assert f"`{protection.trips_when.text}`" in pages["limits.md"]


def test_every_word_is_in_the_glossary(book, pages) -> None:
    page = pages["glossary.md"]
    read = uses(book)
    for fact in (*FACTS.values(), ENTRY_QTY):
        anchor = markdown.anchor("fact", fact.name)
        (row,) = [line for line in page.splitlines() if anchor in line]
        assert markdown.text(fact.means) in row
        assert ("May be unknown" in row) == bool(fact.known)
        assert all(f"`{use.rule}`" in row for use in read.get(fact.name, ()))
        assert ("no rule yet" in row) == (fact.name not in read)
    for name in (*UNITS, *FUNCTIONS, *(state.name for state in book.desk_machine.states)):
        assert f"`{name}`" in page
    (row,) = [line for line in page.splitlines() if line.startswith("| `usd`<br>") and "÷" in line]
    assert [cell.split("÷ ")[1].strip() for cell in row.split("|")[2:5]] == [
        "usd", "ratio", "shares",
    ]  # fmt: skip
    for machine in book.machines:
        for row in machine.rows:
            assert f"EXECUTION_INVARIANTS.md#{markdown.slug(machine.id, row.id)})" in page


def test_every_assumption_has_its_place(book, pages) -> None:
    page = pages["assumptions.md"]
    found = [note for strategy in book.strategies for note in strategy.header.assumes]
    found += [note for item in book.protections for note in item.header.assumes]
    found += [*book.order_machine.header.assumes, *book.limits_header.assumes]
    assert len(found) >= 6
    for note in found:
        (line,) = [row for row in page.splitlines() if markdown.text(note.text) in row]
        assert f"#line-{note.place.line}))" in line


def test_rules_without_assumptions_say_so(book) -> None:
    def bare(item):
        return replace(item, header=replace(item.header, assumes=()))

    documents = {field.name: getattr(book, field.name) for field in fields(book)}
    plain = replace(
        book,
        limits_header=replace(book.limits_header, assumes=()),
        **{name: bare(item) for name, item in documents.items() if hasattr(item, "header")},
        **{
            name: tuple(map(bare, items))
            for name, items in documents.items()
            if isinstance(items, tuple) and all(hasattr(item, "header") for item in items)
        },
    )
    assert "These rules name no assumption (" in _again(plain)["assumptions.md"]


def test_an_expected_unreachable_condition_says_so_wherever_it_stands(edited) -> None:
    book = edited(
        f"{STRATEGY}.yaml",
        (
            "    because: One idea a day is enough.\n",
            "    because: One idea a day is enough.\n" + UNREACHABLE,
        ),
    )
    new = _again(book)
    for name in ("no-trade.md", PAGE, "EXECUTION_INVARIANTS.md"):
        assert "Expected never to hold: The sizes stay above zero." in new[name]


# -- a change reaches every page it concerns -------------------------------------------------------


def test_a_new_reason_not_to_trade_reaches_its_pages(pages, edited) -> None:
    book = edited(
        f"{STRATEGY}.yaml",
        (
            "  SIZE_IS_ZERO:\n",
            TOO_QUIET + "  SIZE_IS_ZERO:\n",
        ),
    )
    new = _again(book)
    assert _changed(pages, new) >= {"no-trade.md", PAGE, "EXECUTION_INVARIANTS.md", "glossary.md"}
    for name in ("no-trade.md", PAGE, "EXECUTION_INVARIANTS.md"):
        assert "The volume is below 100 shares.<br>`bar.volume < 100`" in new[name]
    assert "[`TOO_QUIET`](rules/" in new["glossary.md"]


def test_a_changed_limit_reaches_its_pages(pages, edited) -> None:
    new = _again(
        edited(
            "limits/desk.yaml",
            ("daily_loss_usd:\n    value: 10\n", "daily_loss_usd:\n    value: 12\n"),
        )
    )
    for name in ("limits.md", "no-trade.md", PAGE, "EXECUTION_INVARIANTS.md"):
        assert "12 USD" in new[name]
        assert name in _changed(pages, new)
    assert "glossary.md" not in _changed(pages, new)


def test_what_a_state_means_reaches_the_glossary_too(edited) -> None:
    book = edited(
        "desk/lifecycle.yaml",
        ("means: Entries and exits.", "means: Entries and exits, as ever."),
    )
    new = _again(book)
    assert "Entries and exits, as ever." in new["glossary.md"]
    assert "Entries and exits, as ever." in new["EXECUTION_INVARIANTS.md"]


def test_a_strategy_that_is_gone_takes_its_page_with_it(book, tmp_path: Path) -> None:
    write_pages(book, tmp_path)
    left = tmp_path / "strategies" / "gone.md"
    left.write_text("# Gone\n\nWritten by `mqd docs`.\n", "utf-8")
    mine = tmp_path / "strategies" / "mine.md"
    mine.write_text("# A page of the reader's own\n", "utf-8")
    assert stale_pages(book, tmp_path) == [
        "strategies/gone.md: left over, its rule file is gone",
    ]
    write_pages(book, tmp_path)
    assert not left.exists()
    assert mine.exists()


# -- links -----------------------------------------------------------------------------------------


def test_every_row_of_a_rule_on_these_pages_leads_to_a_line(whole) -> None:
    rows = 0
    for name in ("no-trade.md", "limits.md", PAGE):
        text = whole[name].split("## A worked example")[0]
        for table in re.findall(
            r"^\| (?:Rule|Limit|Number|Param|Measure) \|.*\n.*\n((?:\|.*\n)+)",
            text, flags=re.MULTILINE,
        ):  # fmt: skip
            for row in table.splitlines():
                assert re.search(r"\]\((?:\.\./)?rules/\S+#line-\d+\)", row.split(" | ")[0]), row
                rows += 1
    assert rows > 50


# -- deviations ------------------------------------------------------------------------------------

_ENTRY = """\
late:
  title: Late fills
  specification: It says one thing.
  problem: That loses money.
  instead: The desk does another.
  where: [orders/lifecycle.yaml#OL-90, orders/checks.yaml, mqd.engine.ledger#book]
"""


def test_a_deviation_names_its_rule_and_its_module(book) -> None:
    (found,) = read_deviations(_ENTRY, "d.yaml", book)
    assert [where.place is None for where in found.where] == [False, False, True]
    page = render_pages(book, read_sources(book), Beside(deviations=(found,)))["deviations.md"]
    line = book.order_machine.row("OL-90").place.line
    assert f"[`orders/lifecycle.yaml#OL-90`](rules/orders/lifecycle.yaml.md#line-{line})" in page
    assert "[`orders/checks.yaml`](rules/orders/checks.yaml.md#line-1)" in page
    file, number = found.where[2].declared.split(":")
    assert "def book(" in (ROOT / file).read_text("utf-8").splitlines()[int(number) - 1]
    assert f"`{file}:{number}` (`deviations.yaml:6`)" in page
    assert "It says one thing. (`deviations.yaml:3`)" in page
    for sentence in ("It says one thing.", "That loses money.", "The desk does another."):
        assert sentence in page


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("OL-90", "OL-99", "there is no rule, rule file or module orders/lifecycle.yaml#OL-99"),
        ("mqd.engine.ledger#book", "mqd.engine.gone", "module mqd.engine.gone"),
        ("mqd.engine.ledger", "os", "module os"),
        ("#book", "", "mqd.engine.ledger declares no such thing"),
        ("#book", "#gone", "mqd.engine.ledger declares no gone"),
        ("  problem: That loses money.\n", "", "late needs title, "),
        ("It says one thing.", "[a, b]", "late needs a sentence each"),
        ("late:", "late: [", "d.yaml:"),
    ],
)
def test_a_deviation_that_names_nothing_is_refused(book, old, new, message) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        read_deviations(_ENTRY.replace(old, new), "d.yaml", book)


def test_a_renamed_rule_fails_the_pages(edited, tmp_path: Path) -> None:
    out = tmp_path / "desk" / "docs"
    out.mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "deviations.yaml", out)
    book = edited("orders/checks.yaml", ("  EXIT_WORKING:", "  AN_EXIT_WORKS:"))
    with pytest.raises(SettingsError, match=r"deviations\.yaml:\d+: .*EXIT_WORKING"):
        beside_the_rules(book, out)


def test_a_desk_without_deviations_has_no_such_page(book, pages, tmp_path: Path) -> None:
    assert not {"deviations.md", "command-line.md", "tests.md"} & pages.keys()
    found = beside_the_rules(book, tmp_path / "docs")
    assert (found.deviations, found.commands, dict(found.tests)) == ((), (), {})


# -- the command line ------------------------------------------------------------------------------


def test_the_command_line_is_shown_as_it_is_given(book) -> None:
    page = render_pages(book, read_sources(book), Beside(commands=COMMANDS))["command-line.md"]
    assert "| [`mqd do`](#command-do)<br>`mqd/cli/do.py:7` | Does it. Well. |" in page
    how = "| `--how`<br><code>this &#124; that</code><br>`do.py:8` | How.<br>Default: `this`. |"
    assert how in page
    assert "| `FILE`<br>`do.py:9` | What.<br>Required. |" in page
    assert "It takes no options." in page


# -- tests by rule ---------------------------------------------------------------------------------

_TESTS = """\
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.rule("OL-01")]


@pytest.mark.parametrize("x", [1])
@pytest.mark.rule("OL-90", "SIZE_IS_ZERO")
def test_one(x): ...


@pytest.mark.rule("time_window")
class TestMany:
    def test_two(self): ...


@pytest.mark.rule("OL-99")
def no_test(): ...
"""


def test_marks_are_collected_from_the_tests(book, tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "test_it.py").write_text(_TESTS, "utf-8")
    one, two = "tests/deep/test_it.py::test_one", "tests/deep/test_it.py::TestMany::test_two"
    assert exercised_rules(folder, book) == {
        "OL-01": (two, one),
        "OL-90": (one,),
        "SIZE_IS_ZERO": (one,),
        "time_window": (two,),
    }


def test_tests_become_a_column_and_a_page(book) -> None:
    beside = Beside(tests={"OL-90": ("tests/a.py::test_x", "tests/b.py::test_y")})
    new = render_pages(book, read_sources(book), beside)
    anchor = markdown.anchor("order", "OL-90")
    (row,) = [line for line in new["EXECUTION_INVARIANTS.md"].splitlines() if anchor in line]
    assert row.endswith("| [2](tests.md#rule-ol-90) |")
    assert "| none yet |" in new["EXECUTION_INVARIANTS.md"]
    assert "<br>`tests/a.py::test_x`<br>`tests/b.py::test_y`\n" in new["tests.md"]
    assert "](../tests.md#" not in new["EXECUTION_INVARIANTS.md"]


def test_a_mark_for_a_rule_that_is_gone_fails(book, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(_TESTS.replace("OL-90", "OL-99"), "utf-8")
    with pytest.raises(SettingsError, match=r"test_it\.py: test_one names the rule OL-99"):
        exercised_rules(tmp_path, book)


def test_a_test_that_cannot_be_read_is_one_clear_line(book, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def (", "utf-8")
    with pytest.raises(SettingsError, match=r"cannot read the test .*test_it\.py"):
        exercised_rules(tmp_path, book)
