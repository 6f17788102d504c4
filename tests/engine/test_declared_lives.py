"""What a strategy may do follows from what its machine declares, not from how states are called."""

from __future__ import annotations

import re

import pytest

from mqd.publish.status import StatusWatcher
from tests.engine.conftest import ROOT
from tests.engine.test_lives import LOST, WON, bench, life, press, told, traded
from tests.engine.test_lives_at_the_edges import LIFECYCLE, WATCH

__all__ = ["bench"]
RULES, OLDER = ROOT / "rules", ROOT / "mqd/rules/older/format_4"

OTHER_NAMES = {
    "FLAGGED_PAUSED": "LOOKED_AT_RESTING",
    "FLAGGED": "LOOKED_AT",
    "PAUSED": "RESTING",
    "RETIRED": "GONE",
    "ACTIVE": "AT_WORK",
}


@pytest.fixture
def renamed(edited, make_bench):
    return make_bench(edited({LIFECYCLE: OTHER_NAMES}), "samples")


def opens(bench):
    return bench.state.strategies[bench.strategy].enabled


@pytest.mark.rule("SL-01", "SL-06", "SL-07", "SL-05")
def test_what_is_flagged_goes_on_and_what_is_paused_rests_under_any_name(renamed):
    for day in range(10):
        traded(renamed, day, WON if day == 4 else LOST)
    assert (life(renamed).state_name, opens(renamed)) == ("LOOKED_AT", True)
    told(renamed, *["31"] * 5)
    assert (life(renamed).state_name, opens(renamed)) == ("LOOKED_AT_RESTING", False)
    told(renamed, "24.99", month=10)
    assert (life(renamed).state_name, opens(renamed)) == ("LOOKED_AT", True)
    press(renamed, "enable", renamed.strategy)
    assert life(renamed).state_name == "AT_WORK"


@pytest.mark.rule("SL-03", "DL-07")
def test_when_only_a_person_could_put_any_back_the_desk_halts_under_any_name(renamed):
    for day in range(10):
        traded(renamed, day, LOST)
    assert (life(renamed).state_name, opens(renamed)) == ("GONE", False)
    assert renamed.state.state_name == "HALTED"


@pytest.mark.rule("SL-02", "DL-07")
def test_a_desk_whose_strategies_rest_does_not_halt(renamed):
    renamed.open()
    told(renamed, *["31"] * 5)
    assert (life(renamed).state_name, opens(renamed)) == ("RESTING", False)
    assert renamed.state.state_name == "ACTIVE"


@pytest.mark.rule("SL-01")
def test_what_is_flagged_opens_nothing_where_the_rules_say_so(edited, make_bench):
    means = "a row ends it.\n"
    stricter = edited({LIFECYCLE: {f"{means}    opens: true\n": means}})
    bench = make_bench(stricter, "samples")
    for day in range(10):
        traded(bench, day, WON if day == 4 else LOST)
    assert (life(bench).state_name, opens(bench)) == ("FLAGGED", False)
    press(bench, "enable", bench.strategy)
    assert opens(bench)


@pytest.mark.rule("STATE_IS_GONE")
def test_a_state_that_is_gone_from_the_rules_becomes_the_retired_one(renamed, shipped):
    for day in range(10):
        traded(renamed, day, WON if day == 4 else LOST)
    assert opens(renamed)
    renamed.restart(shipped, "samples")
    assert (life(renamed).state_name, opens(renamed)) == ("RETIRED", False)


@pytest.mark.rule("DL-07", "STATE_IS_GONE")
def test_a_desk_that_halts_for_states_that_are_gone_says_a_whole_sentence(renamed, shipped):
    """No row called for it; the rules that the desk ran under before had other states."""
    watcher = StatusWatcher()
    renamed.watcher = lambda event, outcome: watcher.saw(event, outcome, renamed.state)
    renamed.open()
    renamed.restart(shipped, "samples")
    renamed.open(day=1)
    assert (renamed.state.state_name, life(renamed).row) == ("HALTED", "")
    assert watcher.standing.why.endswith("went from AT_WORK to RETIRED (STATE_IS_GONE)")


@pytest.mark.rule("STATE_IS_GONE")
def test_where_no_state_is_closed_a_strategy_whose_state_is_gone_is_switched_off(bench, edited):
    """The life of form 4 has one state; who was retired does not come back with it."""
    for day in range(10):
        traded(bench, day, LOST)
    assert life(bench).state_name == "RETIRED"
    watch, machine = ((RULES / name).read_text("utf-8") for name in (WATCH, LIFECYCLE))
    flags = re.sub(r"do: (retire|pause\n    until: .*)\n", "do: flag\n", watch)
    flags = flags.replace("> limits.vix_wild", "> limits.vix_wild + limits.vix_calm")
    one_state = (OLDER / "machine_strategy.yaml").read_text("utf-8")
    bench.restart(edited({LIFECYCLE: {machine: one_state}, WATCH: {watch: flags}}), "samples")
    assert (life(bench).state_name, opens(bench)) == ("ACTIVE", False)
    press(bench, "enable", bench.strategy)
    assert opens(bench)
