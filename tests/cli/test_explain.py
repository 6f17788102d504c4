"""`mqd explain`: every code there is, and those there are not."""

from __future__ import annotations

import decimal
import importlib
import json
import pkgutil
import re
import subprocess
from pathlib import Path

import pytest

import mqd.brokers
import mqd.feeds
import mqd.rules
from mqd.app.codes import BROKER_CODES, FEED_CODES, every_meaning, problem_codes
from mqd.ground.units import UNITS
from mqd.publish.uses import conditions
from mqd.publish.wording import DISPOSITIONS
from mqd.rules.validate import load_rules
from mqd.rules.words.facts import ENTRY_QTY, FACTS, PROFILES
from tests.commands import command

ROOT = Path(__file__).resolve().parents[2]


def explain(*words: str) -> subprocess.CompletedProcess[str]:
    return command("explain", *words, cwd=ROOT)


@pytest.fixture(scope="module")
def meanings():
    book = load_rules(ROOT / "rules")
    return tuple(every_meaning(book))


def modules(package) -> list:
    names = [item.name for item in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [importlib.import_module(name) for name in names]


def test_every_condition_exit_check_state_and_row_is_explained(meanings) -> None:
    known = {item.code for item in meanings}
    book = load_rules(ROOT / "rules")
    places = {item.declared for item in meanings}
    for rule in conditions(book):
        assert f"{rule.place.file}:{rule.place.line}" in places, rule.code
    for machine in book.machines:
        assert {state.name for state in machine.states} <= known
        assert {row.id for row in machine.rows} <= known
        assert set(machine.events) <= known
    assert {item.id for item in book.protections} <= known


def test_every_word_of_every_closed_list_is_explained(meanings) -> None:
    """What the schemas list, profiles, units and facts: nothing that a rule file may hold."""
    known = {item.code for item in meanings}
    for path in (ROOT / "schemas").glob("*.json"):
        assert set(re.findall(r'"const": "([^"]+)"', path.read_text(encoding="utf-8"))) <= known
    assert {*PROFILES, *UNITS, *FACTS, ENTRY_QTY.name, *DISPOSITIONS} <= known


def test_a_listed_word_is_declared_where_the_schema_lists_it(meanings) -> None:
    places = [item for item in meanings if item.kind.startswith("value of ")]
    assert len(places) > 40
    for item in places:
        name, _, line = item.declared.rpartition(":")
        text = (ROOT / name).read_text(encoding="utf-8").splitlines()
        assert f'"const": "{item.code}"' in text[int(line) - 1]
        assert item.means in text[int(line)]


def test_every_problem_code_is_explained_with_its_line() -> None:
    declared = {code for module in modules(mqd.rules) for code in getattr(module, "CODES", {})}
    found = {item.code: item for item in problem_codes()}
    assert set(found) == declared
    for item in found.values():
        name, _, line = item.declared.partition(":")
        assert item.code in (ROOT / name).read_text(encoding="utf-8").splitlines()[int(line) - 1]


@pytest.mark.parametrize(
    ("package", "known"), [(mqd.feeds, FEED_CODES), (mqd.brokers, BROKER_CODES)]
)
def test_no_code_of_a_feed_or_broker_is_forgotten(package, known) -> None:
    declared = {
        value
        for module in modules(package)
        for name, value in vars(module).items()
        if name == value and name not in vars(decimal)  # how to round is no code of ours
    }
    assert declared == set(known)


def test_everything_says_where_it_is_declared_and_what_it_means(meanings) -> None:
    assert not [item.code for item in meanings if not item.means or not item.declared]
    for item in meanings:
        name, _, line = item.declared.rpartition(":")
        path = Path(name) if Path(name).is_absolute() else ROOT / name
        assert path.is_file(), item
        assert int(line) >= 1


def test_a_condition_with_its_formula_and_its_sentence_with_values() -> None:
    done = explain("PRICE_ABOVE_THRESHOLD", "--format", "json")
    assert done.returncode == 0
    (meaning,) = json.loads(done.stdout)["meanings"]
    assert meaning["formula"] == "bar.close >= vwap * (1 - entry_deviation_pct)"
    assert "0.3 %" in meaning["sentence"]
    assert meaning["declared"].startswith("rules/strategies/vwap_micro_mean_reversion.yaml:")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("OL-02", "transition of the order"),
        ("FILLED", "state of the order"),
        ("filled", "event of the order"),
        ("daily_loss_limit", "protection of the desk"),
        ("GAP", "data defect"),
        ("EXPR_UNIT", "problem in a rule file"),
        ("TerminalStateError", "late fill"),
        ("daily_loss_usd", "limit of the desk"),
        ("TH-001", "thesis, PENDING"),
        ("stop_loss", "exit of vwap_micro_mean_reversion"),
        ("END_OF_DATA", "the bars ended"),
        ("book_only", "beside it there is ignore_stale, quarantine, halt"),
        ("apply", "the state changes"),
        ("paper", "trades with play money only"),
        ("rest_of_session", "until the session ends"),
        ("desk.pnl", "fact, in usd"),
        ("entry.qty", "the sizing rule buys"),
        ("BarClosed", "record in the journal"),
        ("partial_fill", "alpaca's word in its news of an order"),
        ("ORDER_EXISTS", "answer of alpaca"),
        ("unreachable", "value of `status` in broker documents"),
        ("most_per_minute", "how alpaca is asked"),
        ("ANSWER_NEVER_REACHED", "problem in a rule file"),
    ],
)
def test_a_code_of_each_kind(code: str, said: str) -> None:
    done = explain(code)
    assert done.returncode == 0, done.stderr
    assert said.lower() in done.stdout.lower()


def test_an_unknown_code_is_answered_with_the_nearest() -> None:
    done = explain("OUTSIDE_WINDW")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "did you mean `OUTSIDE_WINDOW`?" in done.stderr
    done = explain("outside_windw", "--format", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["meanings"] == []
