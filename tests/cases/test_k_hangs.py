"""A desk that gave no sign of life for a minute, was killed for it and begins again."""

from __future__ import annotations

import pytest

from mqd.model.command import CancelOrder, SubmitOrder, TakeSnapshot

TTL_S = 600  # limits.entry_ttl


@pytest.mark.case(152)
@pytest.mark.rule("ENTRY_TOO_OLD", "SNAPSHOT_DUE")
@pytest.mark.parametrize(
    ("hung_s", "asked_back"), [(60, False), (TTL_S - 1, False), (TTL_S, True), (7_200, True)]
)
def test_case_152_an_entry_that_grew_too_old_meanwhile_is_asked_back(scene, hung_s, asked_back):
    """At once, beside the question what there is; nothing is sent a second time."""
    entry_id = scene.entry("ack")
    before = len(scene.broker.sent)
    scene.restart(after_s=hung_s)
    assert {type(each) for each in scene.broker.sent[before:]} >= {TakeSnapshot}
    asked = [each.client_order_id for each in scene.broker.asked(CancelOrder)]
    assert asked == [entry_id] * asked_back
    assert scene.sends(entry_id) == 1
    assert scene.order(entry_id).state == ("CANCELLED" if asked_back else "SUBMITTED")


@pytest.mark.case(152)
@pytest.mark.rule("STOP_LOSS")
def test_case_152_what_it_held_is_looked_after_with_the_first_bar(scene):
    scene.holding()
    scene.restart(after_s=60)
    scene.broker.answers(SubmitOrder, "fill")
    scene.bar(99.0)
    assert not scene.held()
    assert scene.trades()[-1].exit_reason == "STOP_LOSS"
