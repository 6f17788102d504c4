"""The breaker to the broker, through the step: every transition, and both sides of each number."""

from __future__ import annotations

import pytest

from mqd.engine.core import Engine
from mqd.engine.state import DeskState
from mqd.engine.step import step
from mqd.ground.times import NS_PER_S
from mqd.model.command import TakeSnapshot
from mqd.model.decision import BreakerMoved
from mqd.model.event import ClockTicked, DeskStarted, Event, RequestAnswered, SnapshotTaken
from mqd.rules.compile.book import compile_book

START_NS = 1_728_307_800_000_000_000
QUICK_MS = 40


class Line:
    """A desk of which only its line to the broker is looked at."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.state = DeskState()
        self.asked: list[TakeSnapshot] = []
        self.moves: list[str] = []
        self.take(DeskStarted(START_NS, "digest", "paper", "test"))

    def take(self, event: Event) -> None:
        outcome = step(self.engine, self.state, event)
        self.moves += [each.rule for each in outcome.notes if isinstance(each, BreakerMoved)]
        self.asked += [each for each in outcome.commands if isinstance(each, TakeSnapshot)]

    def hears(self, outcome: str = "answered", took_ms: int = QUICK_MS, of: str = "submit") -> str:
        self.take(RequestAnswered(self.state.now_ns, of, outcome, took_ms))
        return self.now

    def waits(self, seconds: float) -> str:
        self.take(ClockTicked(self.state.now_ns + round(seconds * NS_PER_S)))
        return self.now

    def is_compared(self) -> None:
        """The broker says that it has nothing, as the desk thinks."""
        command = self.asked[-1]
        self.take(SnapshotTaken(command.at_ns, command.at_ns, None, (), (), ()))

    @property
    def now(self) -> str:
        return self.state.breaker.state_name


@pytest.fixture(scope="module")
def engine(shipped) -> Engine:
    return Engine.of(compile_book(shipped))


@pytest.fixture
def line(engine) -> Line:
    line = Line(engine)
    line.is_compared()
    return line


@pytest.fixture
def opened(line) -> Line:
    assert line.hears("unproved", 5_001) == "OPEN"
    line.moves.clear()
    return line


@pytest.fixture
def trying(opened) -> Line:
    assert opened.waits(60) == "HALF_OPEN"
    opened.moves.clear()
    return opened


@pytest.mark.rule("BR-01", "BR-90", "BREAKER_TABLE")
@pytest.mark.parametrize("of", ["submit", "cancel", "look_up", "read"])
@pytest.mark.parametrize(
    ("took_ms", "state"), [(QUICK_MS, "CLOSED"), (5_000, "CLOSED"), (5_001, "OPEN")]
)
def test_an_answer_is_slow_after_more_than_five_seconds(line, of, took_ms, state):
    assert line.hears(took_ms=took_ms, of=of) == state
    assert line.moves == (["BR-01"] if state == "OPEN" else [])


@pytest.mark.rule("BR-02", "BR-91")
@pytest.mark.parametrize("outcome", ["not_taken", "unproved"])
@pytest.mark.parametrize("of", ["submit", "cancel", "look_up", "read"])
def test_the_fifth_failure_of_a_kind_in_a_row_opens_it(line, of, outcome):
    assert [line.hears(outcome, of=of) for _ in range(5)] == ["CLOSED"] * 4 + ["OPEN"]
    assert line.moves == ["BR-02"]


@pytest.mark.rule("BR-02")
@pytest.mark.parametrize(("took_ms", "state"), [(5_000, "CLOSED"), (5_001, "OPEN")])
def test_a_failure_that_was_slow_opens_it_at_once(line, took_ms, state):
    assert line.hears("unproved", took_ms) == state


@pytest.mark.rule("BR-91", "BR-02")
def test_an_answer_of_the_same_kind_begins_the_count_anew_and_one_of_another_does_not(line):
    for _ in range(4):
        line.hears("unproved")
    assert line.hears("answered") == "CLOSED"
    for _ in range(4):
        assert line.hears("unproved") == "CLOSED"
    assert line.hears("answered", of="read") == "CLOSED"  # the list is there, the orders are not
    assert line.hears("unproved") == "OPEN"


@pytest.mark.rule("BR-03", "BR-93")
def test_it_rests_for_a_minute_and_is_tried_then(opened):
    assert opened.waits(59.9) == "OPEN"
    assert opened.waits(0.1) == "HALF_OPEN"
    assert opened.moves == ["BR-03"]


@pytest.mark.rule("BR-92")
@pytest.mark.parametrize("outcome", ["answered", "not_taken", "unproved"])
@pytest.mark.parametrize("took_ms", [QUICK_MS, 9_000])
def test_nothing_that_comes_while_it_rests_shortens_or_lengthens_the_rest(opened, outcome, took_ms):
    opened.waits(30)
    assert opened.hears(outcome, took_ms) == "OPEN"
    assert opened.waits(29.9) == "OPEN"
    assert opened.waits(0.1) == "HALF_OPEN"


@pytest.mark.rule("BR-04", "BR-05")
@pytest.mark.parametrize(("took_ms", "state"), [(5_000, "CLOSED"), (5_001, "OPEN")])
def test_the_answer_to_the_question_that_tries_it_decides(trying, took_ms, state):
    assert trying.hears("answered", took_ms, of="read") == state
    assert trying.moves == ["BR-05" if state == "CLOSED" else "BR-04"]


@pytest.mark.rule("BR-06", "BR-03")
def test_one_failure_while_it_is_tried_is_another_whole_rest(trying):
    assert trying.hears("not_taken", of="read") == "OPEN"
    assert trying.moves == ["BR-06"]
    assert trying.waits(59.9) == "OPEN"
    assert trying.waits(0.1) == "HALF_OPEN"


@pytest.mark.rule("BR-94", "BREAKER_PROBE")
def test_time_alone_closes_nothing_and_the_question_is_asked_again(trying):
    asked = len(trying.asked)
    for _ in range(10):
        assert trying.waits(31) == "HALF_OPEN"
    assert len(trying.asked) == asked + 10  # each was given half a minute for its answer


@pytest.mark.rule("BREAKER_PROBE")
def test_it_is_tried_by_a_comparison(line):
    asked = len(line.asked)
    line.hears("unproved", 5_001)
    line.waits(59.9)
    assert len(line.asked) == asked
    line.waits(0.1)
    assert [each.reason for each in line.asked[asked:]] == ["BREAKER_PROBE"]
    line.hears(of="read")
    line.is_compared()
    assert (line.now, len(line.asked)) == ("CLOSED", asked + 1)
    assert line.state.desk.is_in_step


@pytest.mark.rule("BREAKER_TABLE")
def test_what_a_request_came_to_is_no_news_of_what_the_broker_has(line):
    line.waits(300)
    line.take(RequestAnswered(line.state.now_ns, "read", "answered", QUICK_MS))
    assert line.state.news_since_ask == 0


@pytest.mark.rule("RESTART_CHANGES_NOTHING")
@pytest.mark.parametrize("state", ["opened", "trying"])
def test_it_outlives_the_process(state, request):
    line: Line = request.getfixturevalue(state)
    before = (line.now, line.state.desk.breaker_code, line.state.breaker.moved_ns)
    line.take(DeskStarted(line.state.now_ns, "digest", "paper", "test"))
    after = (line.now, line.state.desk.breaker_code, line.state.breaker.moved_ns)
    assert after == before


def test_a_state_that_new_rules_do_not_know_begins_anew(opened):
    opened.state.breaker.state_name = "HALF_CLOSED"
    opened.take(DeskStarted(opened.state.now_ns, "digest", "paper", "test"))
    assert (opened.now, opened.state.desk.breaker_code) == ("CLOSED", 0)


def test_a_fork_has_a_breaker_of_its_own(line):
    fork = line.state.fork()
    assert fork.canonical() == line.state.canonical()
    for _ in range(5):
        line.hears("unproved")
    assert (fork.breaker.state_name, fork.breaker.in_a_row) == ("CLOSED", {})
    assert fork.canonical() != line.state.canonical()
