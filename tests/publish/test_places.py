"""Every statement on a generated page leads to its place: a line of a rule file, or of the program.

A row of a table and an item of a list hold a place themselves. A section with prose of its own
holds one in that prose. Nothing is left out but the lines of a rule file that a page shows as
they are, and examples in fences.
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
from mqd.publish.rulefiles import MARK, read_sources

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((?:\.\./)*rules/\S+\.yaml\.md#line-(\d+)\)")
PLAIN = re.compile(r"`([\w./-]+\.(?:yaml|py|json|j2)):(\d+)`")
NAMED = re.compile(r"`([\w./-]+\.(?:yaml|py|json|j2))(?::(\d+))?`")
ITEM = re.compile(r" *([-*+]|[0-9]+[.)]) ")
FENCED = re.compile(r"^```.*?^```$|^<pre>.*?^</pre>$", re.MULTILINE | re.DOTALL)


class Section(NamedTuple):
    """One heading of a page, its prose, and its rows and items."""

    title: str
    prose: list[str]
    statements: list[str]


def sections(page: str) -> Iterator[Section]:
    """The sections of a page in Markdown, in their order."""
    found = Section("", [], [])
    lines = FENCED.sub("", page).splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("#"):
            yield found
            found = Section(line, [], [])
        elif ITEM.match(line):
            found.statements.append(line)
        elif line.startswith("|"):
            if not line.startswith("|--") and not after.startswith("|--"):
                found.statements.append(line)
        elif line and not line.startswith("![") and not re.fullmatch(r'<a id="[^"]+"></a>', line):
            found.prose.append(line)
    yield found


def places(text: str) -> list[str]:
    return LINK.findall(text) + [file for file, _ in PLAIN.findall(text)]


def without_place(page: str) -> list[str]:
    """The statements of a page that lead nowhere, and the sections whose prose does not."""
    missing = []
    for section in sections(page):
        missing += [line for line in section.statements if not places(line)]
        if section.prose and not places("\n".join(section.prose)):
            missing.append(f"{section.title}: {section.prose[0]}")
    return missing


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
    statements = [each for page in published.values() for part in sections(page) for each in
                  part.statements]  # fmt: skip
    assert len(published) > 15
    assert len(statements) > 400


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
        ("## A\n\nProse from nowhere.\n", ["## A: Prose from nowhere."]),
        ("## A\n\nProse. From `mqd/ground/units.py:40`.\n", []),
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
        r"^\| (?:<a [^>]+></a>)?`([\w.]+)`<br>.*?`(facts|events|units|measures)\.py:(\d+)`",
        page,
        flags=re.MULTILINE,
    )
    files = {
        "facts": "mqd/rules/words/facts.py",
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
