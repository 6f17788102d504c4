"""The published pages: rendered from the frozen rule book, the same bytes for the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from mqd.ground.canonical import decimal_text
from mqd.ground.errors import BrokerConfirmationRequiredError
from mqd.publish import markdown, promises, wording
from mqd.publish.diagram import diagram_title, state_diagram_svg
from mqd.publish.rulefiles import FOLDER, MARK, RuleFiles, read_sources, source_page
from mqd.rules.book import RuleBook
from mqd.rules.compile.measures import FUNCTIONS
from mqd.rules.words.events import MACHINE_EVENTS, REQUIREMENTS

INVARIANTS: Final = "EXECUTION_INVARIANTS.md"
_SHOWN: Final = 72


def render_pages(book: RuleBook, sources: Mapping[str, str]) -> dict[str, str]:
    """Every page by its path under the docs folder.

    `sources` holds the text of each rule file under its name (`rules/orders/checks.yaml`).
    """
    machines = (book.order_machine, book.desk_machine)
    pages = {f"diagrams/{machine.id}.svg": state_diagram_svg(machine) for machine in machines}
    for name, source in sources.items():
        pages[f"{name}.md"] = source_page(name, source, INVARIANTS)
    template = _environment(RuleFiles.of(book)).get_template(f"{INVARIANTS}.j2")
    pages[INVARIANTS] = template.render(book=book)
    return dict(sorted(pages.items()))


def write_pages(book: RuleBook, out: Path) -> list[Path]:
    """Write every page under `out`, remove pages of rule files that are gone; the paths written.

    Raises:
        SettingsError: a file that the rules were read from is gone.
    """
    pages = render_pages(book, read_sources(book))
    for name in _left_over(pages, out):
        (out / name).unlink()
    written = []
    for name, content in pages.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8", newline="\n")
        written.append(path)
    return written


def stale_pages(book: RuleBook, out: Path) -> list[str]:
    """One line for every page under `out` that is not what the rules say; empty when all are.

    Raises:
        SettingsError: a file that the rules were read from is gone.
    """
    pages = render_pages(book, read_sources(book))
    found = []
    for name, wanted in pages.items():
        path = out / name
        if not path.is_file():
            found.append(f"{name}: missing")
            continue
        present = path.read_bytes().decode("utf-8", "replace")
        if present != wanted:
            found.append(f"{name}:{_first_difference(wanted, present)}")
    found += [f"{name}: left over, its rule file is gone" for name in _left_over(pages, out)]
    return found


def _left_over(pages: Mapping[str, str], out: Path) -> list[str]:
    """Pages of ours under `out` for rule files that are no longer there."""
    ours = sorted((out / FOLDER).rglob("*.yaml.md"))
    names = {path.relative_to(out).as_posix(): path for path in ours}
    return [
        name
        for name, path in names.items()
        if name not in pages and MARK in path.read_text(encoding="utf-8", errors="replace")
    ]


def _first_difference(wanted: str, present: str) -> str:
    pairs = zip_longest(wanted.split("\n"), present.split("\n"))
    for number, (one, two) in enumerate(pairs, 1):
        if one != two:
            return f"{number}: expected {_quoted(one)}, found {_quoted(two)}"
    return ""


def _quoted(line: str | None) -> str:
    if line is None:
        return "the end"
    shown = line if len(line) <= _SHOWN else line[:_SHOWN] + "..."
    return repr(shown)


def _environment(files: RuleFiles) -> Environment:
    environment = Environment(
        loader=PackageLoader("mqd.publish"),
        autoescape=False,  # noqa: S701  # Markdown, not HTML: every text goes through a filter
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "anchor": markdown.anchor,
        "code": markdown.code,
        "codes": markdown.codes,
        "error": markdown.error_link,
        "file": files.file_link,
        "lasts": wording.lasts_text,
        "line": files.line_link,
        "range": wording.range_text,
        "slug": markdown.slug,
        "step": decimal_text,
        "text": markdown.text,
        "value": wording.value_text,
        "yes_no": markdown.yes_no,
    }
    environment.globals |= {
        "cell": wording.cell_text,
        "confirmation": BrokerConfirmationRequiredError.__name__,
        "diagram_title": diagram_title,
        "dispositions": wording.DISPOSITIONS,
        "events": MACHINE_EVENTS,
        "measure_functions": FUNCTIONS,
        "promises": promises,
        "requirements": REQUIREMENTS,
        "row_link": wording.row_link,
        "sources": wording.sources_text,
    }
    return environment
