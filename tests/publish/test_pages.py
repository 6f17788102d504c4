"""EXECUTION_INVARIANTS.md: whole, true to the rules, linked, inert and the same every time."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import pytest

from mqd.ground.errors import SettingsError
from mqd.ground.ids import client_order_id
from mqd.ground.times import parse_iso
from mqd.ground.units import DURATION, EXCHANGE_TIME, RATIO, USD
from mqd.publish import markdown
from mqd.publish.pages import INVARIANTS, render_pages, stale_pages, write_pages
from mqd.publish.promises import ABOUT_DUPLICATES, ABOUT_POSITIONS, ENFORCED, example_order_id
from mqd.publish.rulefiles import RuleFiles, headers, read_sources
from mqd.publish.wording import DISPOSITIONS, ON_UNKNOWN, lasts_text, value_text
from mqd.rules import english
from mqd.rules.book import Condition, MachineRules, RuleBook, Window

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = (
    "a | b ` c <script>alert(1)</script> {{ 7*7 }} {% raw %} {: onclick=x } [x](y) **b** \\ $1$"
)
Edited = Callable[..., RuleBook]


def _conditions(book: RuleBook) -> list[Condition]:
    sets = (book.sets_aside, book.blocks_entries, book.entry_checks, book.exit_checks)
    found = [condition for rules in sets for condition in rules.conditions]
    for strategy in book.strategies:
        found += [*strategy.no_trade, *strategy.exits]
    return found


def _row_of(page: str, piece: str) -> str:
    """The one table row that holds the anchor."""
    rows = [line for line in page.splitlines() if piece in line]
    assert len(rows) == 1, piece
    return rows[0]


def _machines(book: RuleBook) -> tuple[MachineRules, ...]:
    return book.machines


# -- what is on the page ---------------------------------------------------------------------------


def test_every_machine_row_says_where_it_starts_where_it_leads_and_why(book, pages) -> None:
    for machine in _machines(book):
        for row in machine.rows:
            shown = _row_of(pages[INVARIANTS], markdown.anchor(machine.id, row.id))
            for word in (*row.events, *row.requires, row.when_text, row.target, row.raises):
                assert not word or word in shown
            assert row.disposition == "apply" or DISPOSITIONS[row.disposition] in shown
            assert not row.otherwise or f"(#{markdown.slug(machine.id, row.otherwise)})" in shown
            assert markdown.text(row.because) in shown
            assert row.severity == "INFO" or row.severity in shown
            if set(row.sources) != machine.terminal:
                assert all(f"`{source}`" in shown for source in row.sources)


def test_every_pair_of_state_and_event_has_its_cell(book, pages) -> None:
    for machine in _machines(book):
        for state in machine.states:
            start = f"| [`{state.name}`](#{markdown.slug('state', machine.id, state.name)})"
            cells = _row_of(pages[INVARIANTS], start).split(" | ")[1:]
            for event, cell in zip(machine.events, cells, strict=True):
                row = machine.table[state.name, event]
                assert f"[{row.id}](#{markdown.slug(machine.id, row.id)})" in cell
                assert f"`{row.target or row.disposition}`" in cell
                assert not row.otherwise or f"<br>else [{row.otherwise}]" in cell


def test_every_condition_shows_its_expression_and_its_reason(book, pages) -> None:
    for condition in _conditions(book):
        rows = [
            line
            for line in pages[INVARIANTS].splitlines()
            if f"</a>`{condition.code}`<br>" in line and f"line-{condition.place.line})" in line
        ]
        assert any(
            condition.text in row and markdown.text(condition.because) in row for row in rows
        )


def test_every_limit_param_state_protection_and_thesis_is_there(book, pages) -> None:
    page = pages[INVARIANTS]
    for limit in book.limits:
        row = _row_of(page, markdown.anchor("limit", limit.name))
        assert f"| {value_text(limit.value, limit.unit)} | `{limit.unit.name}` |" in row
        assert markdown.text(limit.because) in row
    for strategy in book.strategies:
        own = pages[f"strategies/{strategy.id}.md"]
        for param in strategy.params:
            row = _row_of(own, markdown.anchor("param", strategy.id, param.name))
            assert f"| {english.value_text(param.value, param.unit)}" in row
            assert value_text(param.maximum, param.unit) in row
        assert strategy.entry.qty.text in page
        assert strategy.entry.stop_loss_text in page
    for machine in _machines(book):
        for state in machine.states:
            row = _row_of(page, markdown.anchor("state", machine.id, state.name))
            assert markdown.text(state.means) in row
            assert ("(terminal)" in row) == state.is_terminal
            assert ("(initial)" in row) == (state.name == machine.initial)
    for protection in book.protections:
        assert protection.trips_when.text in _row_of(
            page, markdown.anchor("protection", protection.id)
        )
    for thesis in book.theses:
        assert f"`{thesis.status}`" in _row_of(page, markdown.anchor("thesis", thesis.header.id))


def test_what_the_program_promises_names_its_line(book, pages) -> None:
    for promise in (*ABOUT_POSITIONS, *ABOUT_DUPLICATES):
        row = _row_of(pages[INVARIANTS], markdown.anchor("promise", promise.code))
        assert f"`{promise.code}`<br>`{promise.place}` | {promise.sentence} |" in row
    for promise in ENFORCED.values():
        assert f"Enforced by `{promise.place}`: {promise.sentence}" in pages[INVARIANTS]
    assert f"`{example_order_id(book)}`" in pages[INVARIANTS]
    assert example_order_id(replace(book, strategies=())) == ""


@pytest.mark.rule("ONE_ID_PER_DECISION")
def test_an_order_id_follows_from_the_decision_and_from_nothing_else() -> None:
    at_ns = parse_iso("2024-10-07T14:05:00Z")
    made = client_order_id("vwap", "SPY", at_ns, "entry")
    assert made == "mqd-vwap-SPY-20241007T140500Z-entry-1"
    assert made == client_order_id("vwap", "SPY", at_ns, "entry")
    others = {
        client_order_id("other", "SPY", at_ns, "entry"),
        client_order_id("vwap", "QQQ", at_ns, "entry"),
        client_order_id("vwap", "SPY", at_ns + 60_000_000_000, "entry"),
        client_order_id("vwap", "SPY", at_ns, "exit"),
    }
    assert len(others - {made}) == 4


def test_the_page_shows_the_short_digest_and_no_date(book, pages) -> None:
    assert f"`{book.digest[:12]}`" in pages[INVARIANTS]
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", pages[INVARIANTS])


def test_a_condition_that_can_never_hold_says_so(book) -> None:
    expected = replace(book.entry_checks.conditions[0], expected_unreachable="sizes stay small")
    changed = replace(book, entry_checks=replace(book.entry_checks, conditions=(expected,)))
    page = render_pages(changed, read_sources(book))[INVARIANTS]
    assert "<br>Expected never to hold: sizes stay small |" in page


def test_the_answer_for_the_unknown_stands_in_each_row_where_answers_differ(book, pages) -> None:
    one, two, *rest = book.entry_checks.conditions
    changed = (replace(one, on_unknown="hold"), replace(two, on_unknown="skip"), *rest)
    mixed = replace(book, entry_checks=replace(book.entry_checks, conditions=changed))
    page = render_pages(mixed, read_sources(book))[INVARIANTS]
    first, second = (
        _row_of(page, markdown.anchor("check-entry", rule.code)) for rule in (one, two)
    )
    assert first.endswith(f"<br>{ON_UNKNOWN['hold']} |")
    assert second.endswith(f"<br>{ON_UNKNOWN['skip']} |")
    assert ON_UNKNOWN["block"] in pages[INVARIANTS]
    row = _row_of(pages[INVARIANTS], markdown.anchor("check-entry", one.code))
    assert ON_UNKNOWN["block"] not in row


# -- links -----------------------------------------------------------------------------------------


def _anchors(page: str) -> list[str]:
    return re.findall(r'\bid="([^"]+)"', page)


def _headings(page: str) -> list[str]:
    """The anchors that GitHub and mkdocs give to headings."""
    found = re.findall(r"^#+ `?([^`\n]+)`?$", page, flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found]


def test_every_link_and_every_anchor_of_a_link_exists(pages) -> None:
    count = 0
    for name, page in pages.items():
        if not name.endswith(".md"):
            continue
        for target in re.findall(r"\]\(([^)\s]+)\)", page.split("<pre>")[0]):
            path, _, anchor = unquote(target).partition("#")
            file = posixpath.normpath(posixpath.join(posixpath.dirname(name), path or name))
            file = name if not path else file
            assert file in pages, f"{name}: {target}"
            there = (*_anchors(pages[file]), *_headings(pages[file]))
            assert not anchor or anchor in there, f"{name}: {target}"
            count += 1
    assert count > 150


def test_no_anchor_stands_twice_on_a_page(pages) -> None:
    for name, page in pages.items():
        if name.endswith(".md"):
            assert len(_anchors(page)) == len(set(_anchors(page))), name


def test_a_link_to_a_line_leads_to_what_is_on_that_line(book, pages) -> None:
    for condition in _conditions(book):
        page = pages[RuleFiles.of(book).page(condition.place)]
        line = next(
            line for line in page.splitlines() if f'id="line-{condition.place.line}"' in line
        )
        assert line.endswith(f"{condition.code}:")


def test_every_row_of_a_rule_links_to_its_line(book, pages) -> None:
    page = pages[INVARIANTS]
    of_rules = ("Rule", "State", "Param", "Measure", "Protection", "Limit", "Thesis")
    tables = re.findall(
        rf"^\| (?:{'|'.join(of_rules)}) \|.*\n\|[-|]+\n((?:\|.*\n)+)", page, flags=re.MULTILINE
    )
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 60
    link = re.compile(r"\]\(rules/\S+\.yaml\.md#line-\d+\)$")
    assert not [row for row in rows if not link.search(row.split(" | ")[0])]
    bullets = re.findall(r"^- .*$", page, flags=re.MULTILINE)
    assert not [line for line in bullets if not re.search(r"\(rules/\S+#line-\d+\)\)$", line)]


def test_a_rule_file_is_shown_line_by_line(book, pages) -> None:
    for name, source in read_sources(book).items():
        shown = pages[f"{name}.md"].split("<pre>\n")[1].split("\n</pre>")[0]
        plain = re.sub(r"<[^>]+>", "", shown)
        plain = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        without_numbers = [re.sub(r"^ *\d+(  )?", "", line) for line in plain.splitlines()]
        assert without_numbers == [line.rstrip() for line in source.splitlines()]


def test_pages_do_not_depend_on_where_the_rules_stand(pages, edited: Edited) -> None:
    elsewhere = edited("orders/checks.yaml")
    assert render_pages(elsewhere, read_sources(elsewhere)) == pages


def test_every_file_of_the_book_has_a_page(book, pages) -> None:
    files = RuleFiles.of(book)
    assert {files.page(header.place) for header in headers(book)} == {
        name for name in pages if name.endswith(".yaml.md")
    }


# -- the same bytes, and what a change changes -----------------------------------------------------

_HASH_OF_PAGES = """
import hashlib, sys
from pathlib import Path
from mqd.publish.pages import render_pages
from mqd.publish.rulefiles import read_sources
from mqd.rules.validate import load_rules
book = load_rules(Path(sys.argv[1]))
text = repr(sorted(render_pages(book, read_sources(book)).items()))
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_two_runs_give_the_same_bytes(pages) -> None:
    def run(seed: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", _HASH_OF_PAGES, str(ROOT / "rules")],
            env=os.environ | {"PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    here = hashlib.sha256(repr(sorted(pages.items())).encode()).hexdigest()
    assert [run("0"), run("4711")] == [here, here]


def _changed_lines(old: str, new: str) -> list[str]:
    return sorted(set(new.splitlines()) - set(old.splitlines()))


def test_changing_a_number_changes_its_row_and_the_digest(pages, edited: Edited) -> None:
    changed = edited(
        "strategies/vwap_micro_mean_reversion.yaml",
        ("{value: 20,    min: 5", "{value: 25,    min: 5"),
    )
    new = render_pages(changed, read_sources(changed))
    lines = _changed_lines(pages[INVARIANTS], new[INVARIANTS])
    assert len(lines) == 2
    assert "are fewer than 25 (`vwap_min_bars`)" in "".join(lines)
    assert changed.digest[:12] in "".join(lines)
    assert "| 25 bars | 5 to 120 `bars` |" in new["strategies/vwap_micro_mean_reversion.md"]
    assert {name for name in pages if pages[name] != new[name]} == {
        INVARIANTS,
        "THESIS_REGISTRY.md",  # it shows the digest
        "no-trade.md",
        "rules/strategies/vwap_micro_mean_reversion.yaml.md",
        "strategies/vwap_micro_mean_reversion.md",
    }


def test_changing_a_limit_changes_it_wherever_it_is_read(pages, edited: Edited) -> None:
    changed = edited(
        "limits/desk.yaml", ("daily_loss_usd:\n    value: 10\n", "daily_loss_usd:\n    value: 12\n")
    )
    lines = _changed_lines(
        pages[INVARIANTS], render_pages(changed, read_sources(changed))[INVARIANTS]
    )
    # The limit, the two protections and the two strategies' conditions that read it, the digest.
    assert len(lines) == 6
    assert sum("12 USD (`" in line for line in lines) == 4


_NEW_STATE = """\
  DISPUTED:
    means: We and the broker tell different stories.
    terminal: true

transitions:
  - id: OL-84
    event: rejected
    from: PARTIALLY_FILLED
    to: DISPUTED
    because: What is partly filled was accepted.
"""


def test_a_new_state_appears_in_list_table_and_diagram(book, edited: Edited) -> None:
    source = (ROOT / "rules/orders/lifecycle.yaml").read_text(encoding="utf-8")
    old_row = re.search(r"  - id: OL-84\n(?:    .*\n)+", source)
    assert old_row
    changed = edited(
        "orders/lifecycle.yaml", (old_row.group(), ""), ("\ntransitions:\n", _NEW_STATE)
    )
    new = render_pages(changed, read_sources(changed))
    page = new[INVARIANTS]
    assert "We and the broker" in _row_of(page, markdown.anchor("state", "order", "DISPUTED"))
    assert _row_of(page, "| [`DISPUTED`](#").count("OL-9") >= len(book.order_machine.events)
    assert "[OL-84](#order-ol-84) `DISPUTED`" in _row_of(page, "| [`PARTIALLY_FILLED`](#")
    assert ">DISPUTED</text>" in new["diagrams/order.svg"]
    line = next(each.place.line for each in changed.order_machine.states if each.name == "DISPUTED")
    listed = _row_of(new["glossary.md"], "[`DISPUTED`](EXECUTION_INVARIANTS.md#")
    assert f"rules/orders/lifecycle.yaml.md#line-{line})" in listed
    assert "We and the broker" in listed


# -- hostile text ----------------------------------------------------------------------------------


def _hostile(book: RuleBook) -> RuleBook:
    checks = replace(book.entry_checks.conditions[0], because=HOSTILE)
    machine = book.order_machine
    first, second, *others = machine.rows
    rows = (
        replace(first, because=HOSTILE),
        replace(second, when_text=HOSTILE),  # the row that has a guard
        *others,
    )
    states = (replace(machine.states[0], means=HOSTILE), *machine.states[1:])
    return replace(
        book,
        entry_checks=replace(
            book.entry_checks,
            header=replace(book.entry_checks.header, title=HOSTILE, because=HOSTILE),
            conditions=(checks, *book.entry_checks.conditions[1:]),
        ),
        order_machine=replace(machine, rows=rows, states=states),
    )


def test_hostile_text_stays_text(book, pages) -> None:
    sources = dict.fromkeys(read_sources(book), f"# </pre>{HOSTILE}\n")
    hostile = render_pages(_hostile(book), sources)
    page = hostile[INVARIANTS]
    assert "<script" not in "".join(hostile.values())
    assert "{:" not in page
    assert len(page.splitlines()) == len(pages[INVARIANTS].splitlines())
    for line, before in zip(page.splitlines(), pages[INVARIANTS].splitlines(), strict=True):
        if before.startswith("|"):
            assert line.count("|") == before.count("|")
    assert hostile[f"{next(iter(sources))}.md"].count("</pre>") == 1


def test_hostile_text_reads_as_it_was_written_once_it_is_html(book) -> None:
    library = pytest.importorskip("markdown", reason="comes with mkdocs, which is not installed")
    page = render_pages(_hostile(book), read_sources(book))[INVARIANTS]
    html = library.markdown(page, extensions=["tables", "attr_list", "toc"])
    shown = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), html)
    readable = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert readable.count(HOSTILE) >= 5
    assert "<script" not in html
    assert "onclick=x }" not in re.sub(r">[^<]*<", "><", html)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("two\nlines\tand  more", "two lines and more"),
        ("a|b", "a&#124;b"),
        ("snake_case and _this_", "snake_case and &#95;this&#95;"),
        ("- no list", "&#45; no list"),
        ("1. no list", "&#49;. no list"),
        ("\x00\u202ehidden", "hidden"),
        ("", ""),
    ],
)
def test_text_is_inert(given: str, wanted: str) -> None:
    assert markdown.text(given) == wanted


def test_code_uses_backticks_only_where_they_are_safe() -> None:
    assert markdown.code("a < b") == "`a < b`"
    assert markdown.code("a | b") == "<code>a &#124; b</code>"
    assert markdown.code("a`b") == "<code>a&#96;b</code>"
    assert markdown.code("") == ""
    assert markdown.codes(["a", "b", "c"], " or ") == "`a`, `b` or `c`"
    assert markdown.codes(["a"], " or ") == "`a`"
    assert markdown.codes([]) == ""


def test_values_read_as_they_are_written() -> None:
    assert value_text(Window(36_000, 41_400), EXCHANGE_TIME) == "10:00-11:30"
    assert value_text(Decimal(34_200), EXCHANGE_TIME) == "09:30"
    assert value_text(Decimal(300), DURATION) == "5m"
    assert value_text(Decimal(7_200), DURATION) == "2h"
    assert value_text(Decimal(90), DURATION) == "90s"
    assert value_text(Decimal("0.003"), RATIO) == "0.003 (0.3 %)"
    assert value_text(Decimal("1.50"), USD) == "1.5"
    assert value_text(Decimal(1_000), USD) == "1,000"
    assert lasts_text("rest_of_session") == "for the rest of the session"
    assert lasts_text("while_true") == "as long as it is true"
    assert lasts_text(1_800) == "for 30 minutes"


# -- on disk ---------------------------------------------------------------------------------------


def test_pages_that_were_just_written_are_not_stale(book, pages, tmp_path: Path) -> None:
    written = write_pages(book, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == list(pages)
    assert stale_pages(book, tmp_path) == []
    assert all(b"\r" not in path.read_bytes() for path in written)


@pytest.mark.case(148)
def test_stale_pages_are_named_with_their_first_difference(book, tmp_path: Path) -> None:
    write_pages(book, tmp_path)
    (tmp_path / "diagrams/desk.svg").unlink()
    page = tmp_path / INVARIANTS
    page.write_text(page.read_text("utf-8").replace("# Execution", "# Old execution", 1), "utf-8")
    left = tmp_path / "rules/orders/gone.yaml.md"
    left.write_text("# x\n\nWritten by `mqd docs`.\n", "utf-8")
    (tmp_path / "rules/mine.yaml.md").write_text("# a page of the reader's own\n", "utf-8")
    assert stale_pages(book, tmp_path) == [
        (
            "EXECUTION_INVARIANTS.md:1: expected '# Execution invariants', "
            "found '# Old execution invariants'"
        ),
        "diagrams/desk.svg: missing",
        "rules/orders/gone.yaml.md: left over, its rule file is gone",
    ]
    write_pages(book, tmp_path)
    assert stale_pages(book, tmp_path) == []
    assert not left.exists()
    assert (tmp_path / "rules/mine.yaml.md").exists()


def test_a_page_cut_short_and_one_that_is_no_text_are_stale(book, tmp_path: Path) -> None:
    write_pages(book, tmp_path)
    page = tmp_path / INVARIANTS
    lines = page.read_text("utf-8").split("\n")
    page.write_text("\n".join(lines[:2]), "utf-8")
    (tmp_path / "diagrams/order.svg").write_bytes(b"\xff\xfe")
    cut, binary = stale_pages(book, tmp_path)
    assert cut.startswith("EXECUTION_INVARIANTS.md:3: expected 'What this desk")
    assert cut.endswith("found the end")
    assert binary.startswith("diagrams/order.svg:1: ")


def test_a_rule_file_that_vanished_is_one_clear_line(book, edited: Edited) -> None:
    changed = edited("theses/TH-001.yaml")
    Path(next(t.header.place.file for t in changed.theses)).unlink()
    with pytest.raises(SettingsError, match=r"cannot read the rule file .*TH-001\.yaml"):
        read_sources(changed)


_MKDOCS = """\
site_name: pages
strict: true
use_directory_urls: {directory_urls}
plugins: []
markdown_extensions: [attr_list, {{toc: {{permalink: true}}}}]
validation: {{omitted_files: warn, absolute_links: warn, unrecognized_links: warn, anchors: warn}}
not_in_nav: /rules/**/*.yaml.md
nav: [EXECUTION_INVARIANTS.md]
"""


@pytest.mark.parametrize("directory_urls", ["true", "false"])
def test_mkdocs_builds_the_pages_strictly(book, tmp_path: Path, directory_urls: str) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    write_pages(book, tmp_path / "docs")
    (tmp_path / "mkdocs.yml").write_text(_MKDOCS.format(directory_urls=directory_urls), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
