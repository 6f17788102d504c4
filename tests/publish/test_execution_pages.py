"""The pages of execution: what is watched, compared and always holds, and how it was tried."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mqd.engine.operate import DESK_BUTTONS
from mqd.ground import errors
from mqd.ground.errors import SettingsError
from mqd.publish import markdown, proofs
from mqd.publish.beside import Beside
from mqd.publish.evidence import read_records
from mqd.publish.meanings import meanings_of
from mqd.publish.pages import INVARIANTS, render_pages, stale_pages, write_pages
from mqd.publish.proofs import FILE, read_proofs
from mqd.publish.rulefiles import read_sources
from mqd.publish.uses import uses
from mqd.rules.words.acts import (
    ANSWER_MEANINGS,
    BROKER_REQUESTS,
    DIFFERENCE_ACTS,
    DIFFERENCES,
    NEWS_MEANINGS,
    NO_ANSWERS,
    REQUESTS,
    STATUS_MEANINGS,
    WATCH_ACTS,
)

TODAY = "{today}"
FIGURES = {
    "simulation": {
        "days": 10_000, "seed": 7, "orders": 21_000, "faults": {"lost": 12, "twice": 3},
        "violations": 0, "days_per_s": 45.25, "digest": "ab" * 32, "rules_digest": TODAY,
    },
    "exploration": {
        "orders": 2, "depth": 9, "states": 1_234_567, "violations": 0, "rules_digest": "c" * 64,
    },
    "crash_points": {"records": 900, "points": 3_600, "equal": True},
}  # fmt: skip


def row_of(page: str, piece: str) -> str:
    """The one table row that holds the anchor."""
    rows = [line for line in page.splitlines() if piece in line and line.startswith("| ")]
    assert len(rows) == 1, piece
    return rows[0]


def written(folder: Path, figures: object) -> Path:
    (folder / "evidence").mkdir(exist_ok=True)
    (folder / "evidence" / FILE).write_text(json.dumps(figures, indent=2), "utf-8")
    return folder / "evidence"


@pytest.fixture
def tried(book, tmp_path: Path) -> dict[str, str]:
    figures = json.loads(json.dumps(FIGURES).replace(TODAY, book.digest))
    found = read_proofs(written(tmp_path, figures))
    return render_pages(book, read_sources(book), Beside(proofs=found))


# -- what is watched, compared, and always holds ---------------------------------------------------


def test_every_row_of_a_watch_says_when_it_acts_and_how(book, pages) -> None:
    count = 0
    for watch in (book.order_watch, book.position_watch, book.desk_watch):
        for row in watch.rows:
            rule = row.condition
            shown = row_of(pages[INVARIANTS], markdown.anchor("watch", watch.header.id, rule.code))
            assert f"`{rule.text}`" in shown
            assert f"`{row.do}`: {WATCH_ACTS[watch.header.id][row.do]}" in shown
            assert markdown.text(rule.because) in shown
            count += 1
    assert count > 15


def test_every_difference_says_what_is_done_about_it(book, pages) -> None:
    page = pages[INVARIANTS]
    for item in book.reconciliation.differences:
        shown = row_of(page, markdown.anchor("difference", item.kind))
        assert DIFFERENCES[item.kind] in shown
        assert f"`{item.do}`: {DIFFERENCE_ACTS[item.do]}" in shown
        assert markdown.text(item.because) in shown
    for rule in book.reconciliation.looks_again:
        assert f"`{rule.text}`" in row_of(page, markdown.anchor("looks_again", rule.code))
    for rule in book.reconciliation.tolerates:
        assert f"`{rule.text}`" in row_of(page, markdown.anchor("tolerates", rule.code))
    for rule in book.reconciliation.refuses:
        assert f"`{rule.text}`" in row_of(page, markdown.anchor("refuses", rule.code))
    part = page.split("### What refuses the start")[1].split("## ")[0]
    assert "counts as yes: the start is refused" in part
    assert "the entry is refused" not in part


def test_every_invariant_says_what_holds(book, pages) -> None:
    count = 0
    for document in book.invariants:
        assert f"### {document.header.title}" in pages[INVARIANTS]
        for rule in document.always:
            shown = row_of(pages[INVARIANTS], markdown.anchor("invariant", rule.code))
            assert f"`{rule.text}`" in shown
            count += 1
    assert count > 5


def test_every_word_of_the_broker_is_explained(book, pages) -> None:
    words = book.broker_words
    assert len(words.statuses) == 18
    for item in words.statuses:
        shown = row_of(pages[INVARIANTS], markdown.anchor("status", words.header.id, item.word))
        assert f"`{item.means}`: {STATUS_MEANINGS[item.means]}" in shown
        assert markdown.text(item.because) in shown


def test_every_piece_of_news_and_every_answer_of_the_broker_is_explained(book, pages) -> None:
    words, page = book.broker_words, pages[INVARIANTS]
    assert len(words.news) == 18
    for item in words.news:
        shown = row_of(page, markdown.anchor("news", words.header.id, item.word))
        assert f"`{item.means}`: {NEWS_MEANINGS[item.means]}" in shown
        assert markdown.text(item.because) in shown
        assert f"brokers/alpaca.yaml.md#line-{item.place.line})" in shown
    for answer in words.answers:
        shown = row_of(page, markdown.anchor("answer", words.header.id, answer.code))
        assert f"`{answer.request}`: `{answer.status}`" in shown
        assert (f"code `{answer.error_code}`" in shown) == (answer.error_code is not None)
        assert (f"says `{answer.says}`" in shown) == (answer.says is not None)
        assert f"`{answer.means}`: {ANSWER_MEANINGS[answer.means]}" in shown
        assert markdown.text(answer.because) in shown
        assert f"brokers/alpaca.yaml.md#line-{answer.place.line})" in shown


def test_how_the_broker_is_asked_stands_with_the_invariants_and_with_the_limits(
    book, pages
) -> None:
    words = book.broker_words
    for name in (INVARIANTS, "limits.md"):
        for number in words.request_limits:
            shown = row_of(pages[name], markdown.anchor("request", words.header.id, number.name))
            assert BROKER_REQUESTS[number.name] in shown
            assert markdown.text(number.because) in shown
            assert f"brokers/alpaca.yaml.md#line-{number.place.line})" in shown
        timeout = markdown.anchor("request", "alpaca", "read_timeout")
        assert "| 5 seconds<br>may be 1s to 1m `duration` |" in row_of(pages[name], timeout)


def test_every_button_names_the_rows_that_answer_it(book, pages) -> None:
    machine = book.desk_machine
    for button, event in DESK_BUTTONS.items():
        shown = row_of(pages[INVARIANTS], markdown.anchor("button", button))
        answered = [row for row in machine.rows if event in row.events]
        assert answered
        for row in answered:
            link = f"[{row.id}](#{markdown.slug(machine.id, row.id)})"
            assert f"{link} `{row.target or row.disposition}`" in shown


def test_every_error_that_moves_the_desk_is_told_once(book, pages) -> None:
    rows, others = pages[INVARIANTS].split("## Errors that rows raise")[1].split("## Other errors")
    machines = book.machines
    raised = {row.raises for machine in machines for row in machine.rows if row.raises}
    assert raised
    for name, error in vars(errors).items():
        if isinstance(error, type) and error.__base__ in {errors.Incident, errors.InvariantError}:
            told = [name in raised, f"</a>`{name}`<br>" in rows, f"</a>`{name}`<br>" in others]
            is_of_the_journal = error is errors.JournalError
            assert told == [name in raised, name in raised, name not in raised] or is_of_the_journal


def test_the_tests_of_a_rule_that_acts_by_itself_stand_beside_it(book) -> None:
    code = book.order_watch.rows[0].condition.code
    tests = {code: ("tests/a.py::test_b",)}
    page = render_pages(book, read_sources(book), Beside(tests=tests))[INVARIANTS]
    assert row_of(page, markdown.anchor("watch", "order", code)).endswith(
        f" [1](tests.md#{markdown.slug('rule', code)}) |"
    )
    other = book.invariants[0].always[0].code
    assert row_of(page, markdown.anchor("invariant", other)).endswith(" none yet |")


def test_the_words_of_acts_are_in_the_glossary(pages) -> None:
    page = pages["glossary.md"].split("## Listed values")[1]
    every = [(name, text) for acts in WATCH_ACTS.values() for name, text in acts.items()]
    every += [*DIFFERENCES.items(), *DIFFERENCE_ACTS.items(), *STATUS_MEANINGS.items()]
    every += [*NEWS_MEANINGS.items(), *ANSWER_MEANINGS.items(), *BROKER_REQUESTS.items()]
    every += [*REQUESTS.items(), *NO_ANSWERS.items()]
    assert len(every) >= 25
    for name, means in every:
        assert [line for line in page.splitlines() if f"`{name}`" in line and means in line], name


def test_a_limit_that_only_a_watch_reads_names_it(book, pages) -> None:
    shown = row_of(pages["limits.md"], markdown.anchor("limit", "settle_window"))
    assert "[`STILL_UNKNOWN`](rules/orders/watch.yaml.md#line-" in shown
    read = uses(book)
    assert {use.rule for use in read["limits.max_position_drift"]} == {"SMALL", "DRIFT_TOO_LARGE"}
    assert [use.rule for use in read["audit.cash_gap"]] == ["PNL_IS_ITS_EXECUTIONS"]


def test_what_acts_by_itself_is_explained(book) -> None:
    found = {item.code: item for item in meanings_of(book)}
    assert found["STILL_UNKNOWN"].then.startswith("nothing: the desk acts by itself. look_up: ")
    assert found["NOT_WATCHED"].then.startswith("look: `mqd status`")
    assert found["stuck_order"].sentence.startswith("look_up: ")
    assert "`mqd flatten`" in found["FROZEN"].then
    assert "`mqd resume" in found["HALTED"].then
    words = [item.kind for item in meanings_of(book) if item.code == "done_for_day"]
    assert words == [
        "alpaca's word for the state of an order", "alpaca's word in its news of an order",
    ]  # fmt: skip
    assert found["WASH_TRADE"].formula == 'submit, 4xx, says "wash trade"'
    assert found["WASH_TRADE"].sentence.startswith("refused: ")
    assert found["DAY_TRADES"].formula == "submit, 403, code 40310100"
    assert found["kept_for_exits"].means.startswith("40 %. The share of them ")
    assert found["DRIFT_TOO_LARGE"].sentence.endswith("5 % (`limits.max_position_drift`).")
    assert found["PNL_IS_ITS_EXECUTIONS"].kind == "invariant: always holds"


# -- how it was tried ------------------------------------------------------------------------------


def test_figures_are_shown_with_the_rules_they_were_made_under(book, tried) -> None:
    for name, start in (("proofs.md", 'id="proof-{}"'), (INVARIANTS, "#proof-{})")):
        page = tried[name]
        simulation = row_of(page, start.format("simulation"))
        assert "days: 10,000<br>" in simulation
        assert "faults: lost 12, twice 3<br>" in simulation
        assert "days a second: 45.2" in simulation
        assert f"`{book.digest[:12]}`, today's |" in simulation
        assert "[`evidence/proofs.json:2`](evidence/proofs.json)" in simulation
        explored = row_of(page, start.format("exploration"))
        assert "states: 1,234,567<br>" in explored
        assert f"These are not today's rules, `{book.digest[:12]}`." in explored
        crashed = row_of(page, start.format("crash-points"))
        assert "came out the same: yes | not written down |" in crashed
        assert "| not run yet | - |" in row_of(page, start.format("kills"))


def test_each_proof_says_how_it_is_repeated(tried) -> None:
    page = tried["proofs.md"]
    assert "- Simulated days: `mqd simulate --days 10000 --seed 7 --record` (" in page
    assert "`MQD_KILLS=KILLS " in page  # nobody said how many yet


def test_another_command_can_be_named_with_the_figures(tmp_path: Path) -> None:
    found = read_proofs(written(tmp_path, {"kills": {"kills": 5, "command": "kill-it 5"}}))
    assert found["kills"].command == "kill-it 5"
    assert found["kills"].figures == (("kills", "5"),)


@pytest.mark.parametrize(
    ("key", "figures", "said"),
    [
        ("simulation", {"violations": 3}, "3 did not hold."),
        ("simulation", {"violations": [{"day": 4}]}, "1 did not hold."),
        ("kills", {"kills": 200, "equal": 199}, "1 of 200 did not come out the same."),
        ("crash_points", {"points": 9, "equal": False}, "Not all came out the same."),
        ("kills", {"kills": 200, "equal": 200}, ""),
        ("crash_points", {"points": 9, "equal": True}, ""),
        ("simulation", {"violations": 0}, ""),
    ],
)
def test_what_failed_is_said(book, tmp_path: Path, key: str, figures: dict, said: str) -> None:
    found = read_proofs(written(tmp_path, {key: figures}))
    assert found[key].failure == said
    page = render_pages(book, read_sources(book), Beside(proofs=found))["proofs.md"]
    assert ("<br>**" in row_of(page, f'id="proof-{key.replace("_", "-")}"')) == bool(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot read "),
        ("[]", "expected the figures of proofs by their keys"),
        ('{\n  "simulated": {}\n}', "proofs.json:2: simulated: expected one of simulation, "),
        ('{"kills": 3}', "proofs.json:1: kills: expected its figures by name"),
        ('{"kills": {"rules_digest": "x"}}', "kills: rules_digest is no digest of rules"),
    ],
)
def test_what_is_no_proof_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE).write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=r"proofs\.json") as error:
        read_proofs(tmp_path)
    assert said in str(error.value)


def test_figures_are_no_evidence_of_a_thesis_and_make_pages_stale(book, tmp_path: Path) -> None:
    write_pages(book, tmp_path)
    assert not (tmp_path / "proofs.md").exists()
    folder = written(tmp_path, {"reconcile": {"orders": 1_000, "seconds": 0.4}})
    assert read_records(folder) == ((), [])
    stale = {line.partition(":")[0] for line in stale_pages(book, tmp_path)}
    assert stale == {INVARIANTS, "proofs.md"}
    write_pages(book, tmp_path)
    assert not stale_pages(book, tmp_path)
    assert "seconds: 0.4" in (tmp_path / "proofs.md").read_text("utf-8")


def test_a_desk_that_only_edits_rules_does_not_speak_of_proofs(pages) -> None:
    assert "proofs.md" not in pages
    assert "How this was tried" not in pages[INVARIANTS]


def test_every_proof_is_declared_once_and_where_it_says() -> None:
    keys = [proof.key for proof in proofs.ALL]
    assert len(set(keys)) == len(keys)
    lines = Path(proofs.__file__).read_text("utf-8").splitlines()
    for proof in proofs.ALL:
        file, _, number = proof.place.partition(":")
        assert file == "mqd/publish/proofs.py"
        assert f'"{proof.key}"' in lines[int(number) - 1]
