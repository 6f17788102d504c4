"""What the templates of the pages can say: their filters and their words."""

from __future__ import annotations

from functools import partial
from types import CodeType
from typing import Any, Final

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from mqd.engine.operate import DESK_BUTTONS
from mqd.ground import units
from mqd.ground.canonical import decimal_text
from mqd.ground.errors import BrokerConfirmationRequiredError
from mqd.ground.times import clock_text
from mqd.publish import (
    declared,
    enumerated,
    glossary,
    looking_back,
    markdown,
    problem_codes,
    promises,
    proofs,
    wording,
)
from mqd.publish.beside import Beside
from mqd.publish.callers import callers
from mqd.publish.diagram import diagram_title
from mqd.publish.figures import fact_text, price_text, share_text, signed_usd
from mqd.publish.keys import KeyPlaces
from mqd.publish.own_lines import OwnLine
from mqd.publish.registry import loss_text, registry
from mqd.publish.rulefiles import FOLDER, MARK, RuleFiles
from mqd.publish.speaker import Speaker
from mqd.publish.standing import Standing
from mqd.publish.uses import rule_places, uses
from mqd.rules.book import RuleBook
from mqd.rules.compile.measures import FUNCTIONS, VALUES_OF_BARS
from mqd.rules.compile.session_measures import SESSION_FUNCTIONS
from mqd.rules.english import English, value_text
from mqd.rules.problems import Place
from mqd.rules.words import acts, orders
from mqd.rules.words.events import MACHINE_EVENTS, REQUIREMENTS
from mqd.rules.words.reporting import SLOWEST
from mqd.rules.words.streams import HISTORY_FUNCTIONS, ROW_WORDS, STREAM_MEANINGS

TESTS_PAGE: Final = "tests.md"
CASES_PAGE: Final = "cases.md"
PROOFS_PAGE: Final = "proofs.md"


class _Compiled(BytecodeCache):
    """The compiled templates of this process; each stands there under the digest of its text."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what was compiled before, if the text is the same."""
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code


_COMPILED: Final = _Compiled()


def environment(book: RuleBook, keys: KeyPlaces, beside: Beside, up: str) -> Environment:
    """The templates with all that they may use; `up` leads from the page to the docs folder."""
    made = Environment(
        loader=PackageLoader("mqd.publish"),
        autoescape=False,  # noqa: S701  # Markdown, not HTML: every text goes through a filter
        bytecode_cache=_COMPILED,
        extensions=[OwnLine],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= _filters(RuleFiles.of(book), up)
    english = English((), book.limits)
    made.filters["measured"] = lambda measure: wording.measure_text(measure, english)
    made.globals |= _words(book, beside, up) | {"key": keys.place}
    return made


def _filters(files: RuleFiles, up: str) -> dict[str, Any]:
    return {
        "anchor": markdown.anchor,
        "clock": clock_text,
        "code": markdown.code,
        "codes": markdown.codes,
        "act_key": wording.act_key,
        "criterion": wording.criterion_text,
        "does": wording.does_text,
        "error": markdown.error_link,
        "exact": decimal_text,
        "fact": fact_text,
        "file": partial(files.file_link, up=up),
        "lasts": wording.lasts_text,
        "length_key": wording.length_key,
        "line": partial(files.line_link, up=up),
        "loss": loss_text,
        "money": signed_usd,
        "price": price_text,
        "range": wording.range_text,
        "said": value_text,
        "share": share_text,
        "short": declared.short,
        "slug": markdown.slug,
        "spoken": markdown.spoken,
        "step": decimal_text,
        "target": files.target,
        "text": markdown.text,
        "use": partial(wording.use_link, files, up=up),
        "unknown": wording.unknown_text,
        "value": wording.value_text,
        "yes_no": markdown.yes_no,
    }


def _words(book: RuleBook, beside: Beside, up: str) -> dict[str, Any]:
    standing = Standing(book, beside.fired)
    return {
        "acts": acts,
        "beside": beside,
        "book": book,
        "buttons": DESK_BUTTONS,
        "callers": partial(callers, book, standing),
        "cell": wording.cell_text,
        "declared": declared,
        "confirmation": BrokerConfirmationRequiredError.__name__,
        "diagram_title": diagram_title,
        "dispositions": wording.DISPOSITIONS,
        "events": MACHINE_EVENTS,
        "folder": FOLDER,
        "glossary": glossary,
        "mark": MARK,
        "meanings": enumerated.meanings,
        "measure_functions": FUNCTIONS,
        "history_functions": HISTORY_FUNCTIONS,
        "row_words": ROW_WORDS,
        "stream_meanings": STREAM_MEANINGS,
        "measure_values": VALUES_OF_BARS,
        "ratio": units.RATIO,
        "session_functions": SESSION_FUNCTIONS,
        "looking_back": looking_back,
        "on_unknown": wording.ON_UNKNOWN,
        "orders": orders,
        "problem_codes": problem_codes,
        "promises": promises,
        "proofs": proofs,
        "requirements": REQUIREMENTS,
        "rule_places": _places(book),
        "promised": {promise.code: promise for promise in promises.every_promise()},
        "row_link": wording.row_link,
        "say": Speaker(book),
        "slowest": SLOWEST,
        "standing_of": standing,
        "sources": wording.sources_text,
        "registered": registry(book, beside.evidence),
        "shows_proofs": beside.shows_proofs,
        "tests_page": TESTS_PAGE,
        "tests_of": beside.tests,
        "units": units,
        "up": up,
        "uses": uses(book),
        "watched": wording.WATCHED,
    }


def _places(book: RuleBook) -> dict[str, list[Place]]:
    """Where each rule stands; a code may stand in several files."""
    found: dict[str, list[Place]] = {}
    for rule, place in rule_places(book):
        found.setdefault(rule, []).append(place)
    return found
