"""Why nothing is traded: what is ordinary, and what a session's end says is not."""

from __future__ import annotations

import pytest

from mqd.engine.idle import in_window
from mqd.model.decision import IdleOutOfBand
from mqd.model.event import SessionClosed
from mqd.notify.telling import told
from mqd.publish.idle import IdleWatch
from mqd.publish.status import StatusWatcher
from mqd.runtime.replay import replay

STRATEGY_FILE = "strategies/vwap_micro_mean_reversion.yaml"
AT_ONCE = {"    sessions: 20 ": "    sessions: 1 "}
MORNING = 125  # minutes: the window of 90 is over


@pytest.fixture
def strict(edited):
    """The shipped rules, but one session out of its band is enough."""
    return edited({STRATEGY_FILE: AT_ONCE})


def session(scene, day: int = 0, dips: int = 0) -> list[IdleOutOfBand]:
    """A morning of flat bars, the last so many of the window cheap; what its end has to say."""
    scene.open(day)
    for minute in range(MORNING):
        scene.bar(99.5 if 119 - dips <= minute < 119 else 100.0)
    before = len(scene.notes(IdleOutOfBand))
    scene.close()
    return scene.notes(IdleOutOfBand)[before:]


@pytest.mark.case(144)
@pytest.mark.rule("PRICE_ABOVE_THRESHOLD")
def test_case_144_one_reason_on_every_bar_of_the_window_is_an_anomaly(strict, make_scene):
    scene = make_scene(strict)
    (note,) = session(scene)
    # The window is [10:00, 11:30): bars are taken by their end, the first ends at 10:00.
    assert (note.code, note.times, note.bars) == ("PRICE_ABOVE_THRESHOLD", 90, 90)
    assert note.expected == "3% to 99.9%"
    assert "90 of 90 bars" in note.text


@pytest.mark.case(144)
@pytest.mark.rule("PRICE_ABOVE_THRESHOLD")
def test_case_144_one_other_bar_in_the_window_is_ordinary(strict, make_scene):
    assert not session(make_scene(strict), dips=1)


@pytest.mark.case(144)
def test_case_144_a_person_is_told_and_every_report_shows_it(strict, make_scene):
    scene = make_scene(strict)
    (note,) = session(scene)
    closed, outcome = next(
        each for each in reversed(scene.seen) if isinstance(each[0], SessionClosed)
    )
    assert ("idle", note.text, "warning") in {
        (each.kind, each.text, each.tone) for each in told(closed, outcome)
    }
    idle, status = IdleWatch(), StatusWatcher()
    for item in replay(scene.journal):
        idle.saw(item.event, item.outcome, item.state, item.engine.book.rules)
        status.saw(item.event, item.outcome, item.state)
    (shown,) = idle.report("").sessions
    assert shown.out_of_band == (note,)
    assert dict(shown.inside.times)["PRICE_ABOVE_THRESHOLD"] == 90
    assert dict(shown.times)["PRICE_ABOVE_THRESHOLD"] == MORNING
    assert status.status(scene.state, scene.book, "").idle == (note,)


@pytest.mark.case(144)
def test_case_144_as_shipped_it_takes_twenty_sessions_in_a_row(scene):
    for day in range(19):
        assert not session(scene, day)
    (note,) = session(scene, 19)
    assert note.in_a_row == 20
    (again,) = session(scene, 20)
    assert again.in_a_row == 21
    assert not session(scene, 21, dips=1)  # one cheap bar, and the count begins anew
    assert not session(scene, 22)


@pytest.mark.case(144)
def test_case_144_a_restart_in_the_middle_forgets_no_bar(strict, make_scene):
    scene = make_scene(strict)
    scene.open()
    for minute in range(MORNING):
        scene.bar(100.0)
        if minute in {40, 100}:
            scene.restart()
    scene.close()
    (note,) = scene.notes(IdleOutOfBand)
    assert note.times == 90


@pytest.mark.case(144)
def test_case_144_a_session_that_was_not_seen_from_its_open_is_not_judged(strict, make_scene):
    scene = make_scene(strict)
    scene.open()
    scene.minute = 5
    for _ in range(5, MORNING):
        scene.bar(100.0)
    scene.close()
    assert not scene.notes(IdleOutOfBand)
    (row,) = reported(scene)
    assert (row.code, row.in_a_row) == ("PRICE_ABOVE_THRESHOLD", 0)  # shown, and counted for none


@pytest.mark.case(144)
def test_case_144_a_session_whose_end_nobody_saw_is_not_judged(strict, make_scene):
    scene = make_scene(strict)
    scene.open()
    for _ in range(MORNING):
        scene.bar(100.0)
    scene.restart(after_s=86_400)
    assert not scene.state.session.is_open
    scene.close()
    assert not scene.notes(IdleOutOfBand)
    assert [each.date for each in scene.state.closed_sessions] == [scene.state.session.date]


def reported(scene):
    """What the idle report says is outside of its band in the last session."""
    watch = IdleWatch()
    for item in replay(scene.journal):
        watch.saw(item.event, item.outcome, item.state, item.engine.book.rules)
    return watch.report("").sessions[-1].outside


@pytest.mark.case(144)
def test_case_144_the_report_counts_the_sessions_on_the_way_to_an_alarm(scene):
    for day in range(20):
        told = session(scene, day)
        ((code, in_a_row, told_after),) = reported(scene)
        assert (code, in_a_row, told_after) == ("PRICE_ABOVE_THRESHOLD", day + 1, 20)
        assert bool(told) is (in_a_row >= told_after)
    session(scene, 20, dips=1)
    assert reported(scene) == ()


@pytest.mark.rule("VWAP_UNAVAILABLE")
def test_a_morning_without_volume_is_out_of_the_ordinary(scene):
    scene.open()
    for _ in range(MORNING):
        scene.bar(100.0, volume=0.0)
    scene.close()
    assert [note.code for note in scene.notes(IdleOutOfBand)] == ["VWAP_UNAVAILABLE"]


def test_bars_of_a_day_with_other_rules_are_not_mixed(scene, strict):
    """The counts are of conditions by their place: other rules begin anew."""
    scene.until_ten()
    strategy = scene.book.strategies[0]
    assert in_window(strategy, scene.state.idle[scene.strategy]).bars == 1
    scene.restart(book=strict)
    assert scene.state.idle == {}
    scene.restart()
    scene.bar(100.0)
    scene.restart()
    assert sum(scene.state.idle[scene.strategy].values()) == 1
