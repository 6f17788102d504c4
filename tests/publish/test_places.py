"""Every statement on a generated page leads to its place: a line of a rule file, or of the program.

A row of a table, an item of a list and a paragraph of prose hold a place themselves. Nothing is
left out but the lines of a rule file that a page shows as they are, and examples in fences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from mqd.app.new_desk.desk import make_desk
from mqd.app.pages import beside_the_rules
from mqd.cli.commands import application
from mqd.cli.describe import described
from mqd.publish.evidence import certain_records
from mqd.publish.pages import render_pages, stale_pages, write_pages
from mqd.publish.promises import every_promise
from mqd.publish.rulefiles import MARK, read_sources

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "mqd" / "publish" / "templates"
LINK = re.compile(r"\]\((?:\.\./)*rules/\S+\.yaml\.md#line-(\d+)\)")
PLAIN = re.compile(r"`([\w./-]+\.(?:yaml|py|json|j2)):(\d+)`")
NAMED = re.compile(r"`([\w./-]+\.(?:yaml|py|json|j2))(?::(\d+))?`")
ITEM = re.compile(r" *([-*+]|[0-9]+[.)]) ")
FENCED = re.compile(r"^```.*?^```$|^<pre>.*?^</pre>$", re.MULTILINE | re.DOTALL)


NO_PROSE = re.compile(r'#.*|!\[.*|<a id="[^"]+"></a>|\|--.*|')
CODED_LINK = re.compile(
    r"(?:`([^`]+)`(?: may be [^`|]*`\w+`)?|\*\*([^*]+)\*\*)(?: \([^()|]*\))*"
    r"(?:<br>| \()\[line&nbsp;\d+\]\((?:\.\./)*(rules/[^)#]+\.yaml)\.md#line-(\d+)\)"
)
NAMED_LINK = re.compile(r"\[`([^`]+)`\]\((?:\.\./)*(rules/[^)#]+\.yaml)\.md#line-(\d+)\)")


class Statement(NamedTuple):
    """A row, an item, or a paragraph: lines of prose with no empty one between."""

    text: str
    is_prose: bool = False


def statements(page: str) -> Iterator[Statement]:
    """What a page in Markdown says, in its order."""
    prose: list[str] = []
    lines = [*FENCED.sub("\n", page).splitlines(), ""]
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        is_row, is_item = line.startswith("|"), ITEM.match(line)
        if not (is_row or is_item or NO_PROSE.fullmatch(line)):
            prose.append(line)
            continue
        if prose:
            yield Statement("\n".join(prose), is_prose=True)
            prose = []
        if is_item or (is_row and not line.startswith("|--") and not after.startswith("|--")):
            yield Statement(line)


def places(text: str) -> list[str]:
    return LINK.findall(text) + [file for file, _ in PLAIN.findall(text)]


def without_place(page: str) -> list[str]:
    """The statements of a page that lead nowhere."""
    return [found.text for found in statements(page) if not places(found.text)]


def astray(page: str) -> list[str]:
    """The links of a page whose rule does not stand on the line that they lead to."""
    found = [(one or other, file, line) for one, other, file, line in CODED_LINK.findall(page)]
    found += NAMED_LINK.findall(page)
    return [
        f"{name}: {file}:{line}" for name, file, line in found if not _stands(name, file, int(line))
    ]


def _stands(name: str, file: str, number: int) -> bool:
    """Whether a line holds the rule's own word; a place is its line, a file's name its first."""
    line = (ROOT / file).read_text("utf-8").splitlines()[number - 1]
    path, _, word = name.partition("#")
    if re.fullmatch(r"rules/\S+\.yaml:\d+", name):
        return name == f"{file}:{number}"
    if path.endswith(".yaml"):
        return file == f"rules/{path}" and ((word in line) if word else number == 1)
    word = name.rpartition(".")[2] if re.fullmatch(r"[\w.]+\.[a-z_]+", name) else name
    # What a key alone declares, as `win_rate_below`, has the key as its code.
    known = f"{re.escape(word)}|{re.escape(word.lower())}:"
    return re.search(rf"(?<!\w)({known})(?!\w)", line) is not None


@pytest.fixture(scope="module")
def published(book) -> dict[str, str]:
    """Every page as it is published: with examples, commands, tests, deviations and evidence."""
    beside = beside_the_rules(book, ROOT / "docs", described(application))
    beside = replace(beside, evidence=certain_records(ROOT / "docs" / "evidence"))
    pages = render_pages(book, read_sources(book), beside)
    return {name: page for name, page in pages.items() if name.endswith(".md")}


def test_every_statement_leads_to_a_place(published) -> None:
    found = {name: missing for name, page in published.items() if (missing := without_place(page))}
    assert not found
    said = [each for page in published.values() for each in statements(page)]
    assert len(published) > 15
    assert sum(each.is_prose for each in said) > 400
    assert len(said) > 1000


def test_a_rule_stands_on_the_line_that_its_name_leads_to(published) -> None:
    pages = {name: page for name, page in published.items() if not name.startswith("rules/")}
    assert not [(name, found) for name, page in pages.items() for found in astray(page)]
    whole = "\n".join(pages.values())
    assert len(CODED_LINK.findall(whole)) > 300
    assert len(NAMED_LINK.findall(whole)) > 200


@pytest.mark.parametrize(
    "link",
    [
        "| `STOP_LOSS_MISSING`<br>[line&nbsp;1](rules/orders/checks.yaml.md#line-1) |",
        "| **OL-90**<br>[line&nbsp;2](rules/orders/lifecycle.yaml.md#line-2) |",
        "| `FILLED` (terminal)<br>[line&nbsp;2](rules/orders/lifecycle.yaml.md#line-2) |",
        "- by `OL-90` ([line&nbsp;2](rules/orders/lifecycle.yaml.md#line-2))",
        "`exit_ttl` may be 1m to 1h `duration` ([line&nbsp;2](rules/limits/desk.yaml.md#line-2))",
        "- [`OL-90`](rules/orders/lifecycle.yaml.md#line-2)",
        "[`orders/lifecycle.yaml#OL-90`](rules/orders/lifecycle.yaml.md#line-2)",
        "[`orders/lifecycle.yaml#OL-90`](../rules/orders/lifecycle.yaml.md#line-2)",
        "[`rules/orders/lifecycle.yaml:3`](rules/orders/lifecycle.yaml.md#line-2)",
    ],
)
def test_a_rule_that_stands_elsewhere_is_seen(link: str) -> None:
    assert len(astray(link)) == 1


def test_words_of_a_page_lead_to_their_own_line_of_a_template(published) -> None:
    """The literal words of that line, between what it fills in, stand in the paragraph."""
    seen = set()
    for page in published.values():
        for found in statements(page):
            for file, number in re.findall(r"`([\w./-]+\.j2):(\d+)`", found.text):
                text = (TEMPLATES / file).read_text("utf-8").splitlines()[int(number) - 1]
                words = [part.strip() for part in re.split(r"{%.*?%}|{{.*?}}", text)]
                assert all(part in found.text for part in words), (file, number)
                assert any(len(part) > 10 for part in words), (file, number)
                seen.add(file)
    assert len(seen) > 10


@pytest.mark.parametrize("promise", list(every_promise()), ids=lambda promise: promise.code)
def test_a_promise_leads_to_what_keeps_it(promise) -> None:
    file, _, number = promise.place.partition(":")
    line = (ROOT / file).read_text("utf-8").splitlines()[int(number) - 1]
    assert re.search(rf"(class|def) {promise.name}\b|^{promise.name}\b", line)


def test_the_pages_of_a_new_desk_do_so_too(tmp_path: Path) -> None:
    make_desk(tmp_path / "desk", described(application))
    docs = tmp_path / "desk" / "docs"
    pages = {path: path.read_text("utf-8") for path in docs.rglob("*.md")}
    generated = {path.name: page for path, page in pages.items() if MARK in page}
    by_hand = {docs / "index.md", docs / "operator.md"}
    assert pages.keys() - by_hand == {path for path in pages if path.name in generated}
    assert not [missing for page in generated.values() for missing in without_place(page)]


def test_a_bare_desk_has_no_page_that_says_things_from_nowhere(book, pages) -> None:
    """Without examples, tests or evidence, and without strategies, protections and theses."""
    bare = replace(book, strategies=(), protections=(), theses=())
    for shown in (pages, render_pages(bare, read_sources(book))):
        texts = [page for name, page in shown.items() if name.endswith(".md")]
        assert not [missing for page in texts for missing in without_place(page)]


@pytest.mark.parametrize(
    ("page", "missing"),
    [
        ("## A\n\nProse from nowhere.\n", ["Prose from nowhere."]),
        ("## A\n\nProse. From `mqd/ground/units.py:40`.\n", []),
        ("## A\n\nFrom `a.yaml:1`.\n\nAnd on.\n", ["And on."]),
        ("## A\n\nFrom `a.yaml:1`.\nAnd on.\n", []),
        ("What is said:\n\n```text\nthis\n```\n\n`a.yaml:1`\n", ["What is said:"]),
        ("| A |\n|---|\n| a row |\n", ["| a row |"]),
        ("| A |\n|---|\n| a row<br>`units.py:40` |\n", []),
        ("From `a.yaml:1`.\n\n- an item\n", ["- an item"]),
        ("- an item ([line&nbsp;3](../rules/a/b.yaml.md#line-3))\n", []),
        ("From `a.yaml:1`.\n\n* an item\n", ["* an item"]),
        ("From `a.yaml:1`.\n\n1. an item\n", ["1. an item"]),
        ("- an item `a.yaml:1`\n  - one below\n", ["  - one below"]),
        ("- it [leads on](limits.md#limit-x)\n", ["- it [leads on](limits.md#limit-x)"]),
        ("## A\n\n```yaml\n- an example\n```\n", []),
    ],
)  # fmt: skip
def test_what_leads_nowhere_is_seen(page: str, missing: list[str]) -> None:
    assert without_place(page) == missing


def test_every_place_is_there(published) -> None:
    """A file that is named is there and has that line; a short name is that of one named above."""
    seen = 0
    for name, page in published.items():
        known: dict[str, Path] = {}
        for file, line in re.findall(NAMED, FENCED.sub("", page)):
            if file.endswith(".j2"):
                continue  # looked at above
            path = ROOT / ("docs" if file.startswith("evidence/") else "") / file
            if "/" in file and path.is_file():
                known[path.name] = path
            if line:
                assert "/" not in file or path.is_file(), f"{name}: {file}"
                lines = known[path.name].read_text("utf-8").splitlines()
                assert 1 <= int(line) <= len(lines), f"{name}: {file}:{line}"
                seen += 1
    assert seen > 200


def test_a_word_of_the_program_leads_to_the_line_that_declares_it(published) -> None:
    page = published["glossary.md"]
    rows = re.findall(
        r"^\| (?:<a [^>]+></a>)?`([\w.]+)`<br>.*?`(facts|trading|watching|auditing|events|units"
        r"|measures)\.py:(\d+)`",
        page,
        flags=re.MULTILINE,
    )
    files = {
        "facts": "mqd/rules/words/facts.py",
        "trading": "mqd/rules/words/trading.py",
        "watching": "mqd/rules/words/watching.py",
        "auditing": "mqd/rules/words/auditing.py",
        "events": "mqd/rules/words/events.py",
        "units": "mqd/ground/units.py",
        "measures": "mqd/rules/compile/measures.py",
    }
    assert {file for _, file, _ in rows} == files.keys()
    for word, file, number in rows:
        line = (ROOT / files[file]).read_text("utf-8").splitlines()[int(number) - 1]
        assert f'"{word}"' in line or f'"{word.rpartition(".")[2]}"' in line


def test_a_key_that_a_rule_file_leaves_out_leads_to_its_document(book, edited) -> None:
    """What a document leaves to the default is told with the line that the document starts at."""
    name = "protections/daily_loss_limit.yaml"
    told = _row(book, "on the unknown")
    assert "#line-14)" in told
    assert "#line-2)" in _row(edited(name, ("on_unknown: block\n", "")), "on the unknown")
    assert "#line-13)" in _row(book, "how long")


def _row(book, start: str) -> str:
    page = render_pages(book, read_sources(book))["limits.md"].split("### Daily loss limit")[1]
    return next(line for line in page.splitlines() if line.startswith(f"| {start}<br>"))


def test_the_style_is_written_with_the_pages(book, tmp_path: Path) -> None:
    write_pages(book, tmp_path)
    style = tmp_path / "tables.css"
    assert style.read_bytes() == (ROOT / "docs/tables.css").read_bytes()
    style.write_text("td { color: red; }\n", "utf-8")
    assert [line.partition(":")[0] for line in stale_pages(book, tmp_path)] == ["tables.css"]
