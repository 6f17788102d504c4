"""The published pages: rendered from the frozen rule book, the same bytes for the same rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Final

from mqd.publish.beside import NOTHING_BESIDE, Beside
from mqd.publish.diagram import state_diagram_svg
from mqd.publish.environment import CASES_PAGE, PROOFS_PAGE, TESTS_PAGE, environment
from mqd.publish.evidence import FOLDER as EVIDENCE
from mqd.publish.evidence import certain_records, read_records
from mqd.publish.keys import KeyPlaces
from mqd.publish.problem_codes import PAGE as PROBLEM_CODES
from mqd.publish.proofs import read_proofs
from mqd.publish.registry import REGISTRY, strangers
from mqd.publish.rulefiles import FOLDER, MARK, read_sources, source_page
from mqd.rules.book import RuleBook

INVARIANTS: Final = "EXECUTION_INVARIANTS.md"
LIMITS: Final = "limits.md"
COMMAND_LINE: Final = "command-line.md"
TRADES: Final = "trades.md"
CONTROLS: Final = "controls.md"
DEVIATIONS: Final = "deviations.md"
STRATEGIES: Final = "strategies"
STYLE: Final = "tables.css"
_TEMPLATES: Final = Path(__file__).with_name("templates")
_ALWAYS: Final = (
    INVARIANTS, "assumptions.md", "glossary.md", LIMITS, "no-trade.md", PROBLEM_CODES, REGISTRY,
    TRADES,
)  # fmt: skip
_SHOWN: Final = 72
_OF_EVERY_STRATEGY: Final = frozenset({"lifecycle.yaml", "watch.yaml"})


def render_pages(
    book: RuleBook, sources: Mapping[str, str], beside: Beside = NOTHING_BESIDE
) -> dict[str, str]:
    """Every page by its path under the docs folder, with the pictures and the style they need.

    `sources` holds the text of each rule file under its name (`rules/orders/checks.yaml`).
    """
    pages = {f"diagrams/{machine.id}.svg": state_diagram_svg(machine) for machine in book.machines}
    pages[STYLE] = (_TEMPLATES / STYLE).read_text(encoding="utf-8")
    for name, source in sources.items():
        pages[f"{name}.md"] = source_page(name, source, _in_words(name))
    keys = KeyPlaces(book, sources)
    here, below = (environment(book, keys, beside, up) for up in ("", "../"))
    for name in _page_names(beside):
        pages[name] = here.get_template(f"{name}.j2").render()
    for strategy in book.strategies:
        pages[_strategy_page(strategy.id)] = below.get_template(f"{STRATEGIES}/page.md.j2").render(
            strategy=strategy, example=beside.examples.get(strategy.id)
        )
    return dict(sorted(pages.items()))


def write_pages(book: RuleBook, out: Path, beside: Beside = NOTHING_BESIDE) -> list[Path]:
    """Write every page under `out`, remove pages of rule files that are gone; what changed.

    Raises:
        SettingsError: a file that the rules were read from is gone, a record was edited, or the
            figures of the proofs cannot be read.
    """
    folder = (beside.home or out) / EVIDENCE
    beside = replace(beside, evidence=certain_records(folder), proofs=read_proofs(folder))
    pages = render_pages(book, read_sources(book), beside)
    for name in _left_over(pages, out):
        (out / name).unlink()
    written = []
    for name, content in pages.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != content.encode():
            # A page that says the same is left alone: a server watching it has nothing to do.
            path.write_text(content, encoding="utf-8", newline="\n")
            written.append(path)
    return written


def stale_pages(book: RuleBook, out: Path, beside: Beside = NOTHING_BESIDE) -> list[str]:
    """One line for every page under `out` that is not what the rules say; empty when all are.

    Raises:
        SettingsError: a file that the rules were read from is gone, or the figures of the proofs
            cannot be read.
    """
    folder = (beside.home or out) / EVIDENCE
    records, found = read_records(folder)
    found += strangers(book, records)
    beside = replace(beside, evidence=records, proofs=read_proofs(folder))
    pages = render_pages(book, read_sources(book), beside)
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


def _page_names(beside: Beside) -> Iterator[str]:
    """The pages at the top: those of the rules, and those for which there is something to show."""
    yield from _ALWAYS
    if beside.commands:
        yield COMMAND_LINE
    if beside.controls.sections:
        yield CONTROLS
    if beside.deviations:
        yield DEVIATIONS
    if beside.tests:
        yield TESTS_PAGE
    if beside.cases:
        yield CASES_PAGE
    if beside.shows_proofs:
        yield PROOFS_PAGE


def _strategy_page(strategy_id: str) -> str:
    return f"{STRATEGIES}/{strategy_id}.md"


def _in_words(name: str) -> dict[str, str]:
    """The pages that say what a rule file says, by title."""
    folder, _, file = name.removeprefix(f"{FOLDER}/").partition("/")
    found = {}
    if folder == STRATEGIES and file and file not in _OF_EVERY_STRATEGY:
        found["the strategy"] = _strategy_page(file.removesuffix(".yaml"))
    if folder in {"limits", "protections", "brokers"} or name.endswith("desk/portfolio.yaml"):
        found["limits and protections"] = LIMITS
    if file in {"regimes.yaml", "attribution.yaml"}:
        found["what is told of a trade"] = TRADES
    return found | {"execution invariants": INVARIANTS}


def _left_over(pages: Mapping[str, str], out: Path) -> list[str]:
    """Pages of ours under `out` for rule files that are no longer there."""
    ours = sorted((*(out / FOLDER).rglob("*.yaml.md"), *(out / STRATEGIES).glob("*.md")))
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
            start = _common_start(one or "", two or "")
            return f"{number}: expected {_quoted(one, start)}, found {_quoted(two, start)}"
    return ""


def _common_start(one: str, two: str) -> int:
    """Where two long lines begin to differ, a few characters earlier to know one's way."""
    same = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
    return max(0, same - _SHOWN // 3)


def _quoted(line: str | None, start: int) -> str:
    if line is None:
        return "the end"
    before, after = "..." if start else "", "..." if len(line) > start + _SHOWN else ""
    return repr(before + line[start : start + _SHOWN] + after)
