"""The short answer to `why`: what happened, what stood in the way, what would have changed it."""

from __future__ import annotations

from typing import NamedTuple

from mqd.model.decision import ENTER, EXIT, NO_TRADE
from mqd.publish.changes import Change
from mqd.publish.flips import Flips
from mqd.publish.judged import TRUE, Judged
from mqd.publish.why import Explanation, stands_for_closed

_UNSOUND = (
    "What would have flipped it cannot be told: decided again by this version of the desk, the "
    "record comes out otherwise."
)


class Line(NamedTuple):
    """One line of the answer: the codes it is about, if any, and the words."""

    codes: str
    text: str


def answer_of(item: Explanation) -> tuple[Line, ...]:
    """The lines after the headline, fewest words first to say."""
    found = [Line("", order) for order in item.orders]
    found += _in_the_way(item)
    if item.flips is not None:
        found += [Line("", text) for text in flips_in_words(item.flips, item)]
    return tuple(found)


def change_text(change: Change) -> str:
    """A change as a clause: bar.close 600.74 instead of 603.58 (2.84 USD lower)."""
    by = f" ({change.by})" if change.by else ""
    return f"{change.name} {_short(change.after_text)} instead of {_short(change.before_text)}{by}"


def flips_in_words(flips: Flips, item: Explanation) -> list[str]:
    """What would have flipped the decision, in one or two sentences."""
    if not flips.is_sound:
        return [_UNSOUND]
    would = _would(item)
    found = []
    market, rule = flips.by_market, flips.by_rule
    if market is not None:
        found.append(f"It would have {would} with {_with_code(market, flips)}.")
    if rule is not None:
        found.append(f"By the rules alone: with {_with_code(rule, flips)}.")
    elif market is not None and flips.against:
        found.append("No single param within its range would have done it.")
    return found or [_none_alone(flips, would, _holding(item))]


def _holding(item: Explanation) -> str:
    """What stays in the way whatever the bar had brought."""
    found = (each.code for group in item.groups for each in group.conditions if each.holds)
    return ", ".join(found)


def _none_alone(flips: Flips, would: str, holding: str) -> str:
    count = len(flips.against)
    if holding and flips.against:
        return f"Nothing on this bar would have done it: {holding} tripped before."
    alone = "Nothing that the record holds, changed alone, would have done it"
    if count > 1:
        alone = f"No single change would have done it: {count} conditions stood against it"
    if not flips.together:
        return f"{alone}{', each with its own nearest change above' if count > 1 else ''}."
    *most, last = [change_text(change) for change in flips.together]
    return f"{alone}. It would have {would} with {', '.join(most)} and {last}, all together."


def _would(item: Explanation) -> str:
    """What the decision would have been instead, as a participle after `would have`."""
    if item.outcome == ENTER:
        return "stayed out"
    if item.outcome == EXIT:
        return "held on"
    return "exited" if item.is_held else "entered"


def _with_code(change: Change, flips: Flips) -> str:
    """The change, and which condition it would have made true where nothing was."""
    if flips.against or not change.turned:
        return change_text(change)
    return f"{change_text(change)}: {', '.join(change.turned)}"


def _in_the_way(item: Explanation) -> list[Line]:
    """The conditions that decided, those that say the same together, with what each wanted."""
    told: dict[str, list[str]] = {}
    flips = item.flips
    several = flips is not None and not flips.changes and len(flips.against) > 1
    against = flips.against if flips is not None else ()
    for judged in (*_decisive(item), *_unasked(item, against)):
        text = judged.distances[0].text if _is_one(judged) else judged.sentence.rstrip(".")
        if item.closed_text and stands_for_closed(judged):
            text += f": it is {item.closed_text}"
        if judged.would_be:
            text += "; not asked, as no order was made, but it would have refused one"
        if judged.holds:
            text += f"; {judged.holds}"
        elif several:
            text += _enough(judged)
        told.setdefault(text, []).append(judged.code)
    return [Line(", ".join(codes), text.replace("`", "")) for text, codes in told.items()]


def _is_one(judged: Judged) -> bool:
    """Whether the condition is one comparison, so that its distance says it all."""
    return len(judged.distances) == 1 and not {"and", "or", "not"} & set(_plain_words(judged.when))


def _plain_words(when: str) -> list[str]:
    return when.replace("(", " ").replace("not in", " ").split()


def _decisive(item: Explanation) -> list[Judged]:
    """What stood in the way or acted; while holding, the exits that were looked at."""
    groups = {group.name: group for group in item.groups}
    if item.is_held and item.outcome == NO_TRADE:
        return list(groups["exits"].conditions)
    if item.outcome == EXIT:
        return [each for each in groups["exits"].conditions if each.counts]
    return [
        each
        for group in item.groups
        for each in group.conditions
        if each.counts and each.code in item.blocked_by and group.name != "exits"
    ]


def _unasked(item: Explanation, against: tuple[str, ...]) -> list[Judged]:
    """Checks that nobody asked and that would have stood in the way."""
    checks = (each for group in item.groups if group.name == "checks" for each in group.conditions)
    if item.is_held:
        return [each for each in checks if each.would_be == TRUE]
    return [each for each in checks if each.would_be and each.code in against]


def _enough(judged: Judged) -> str:
    """The nearest change of one condition among several, market before rules."""
    if not judged.changes:
        return "; nothing that the record holds, changed alone, turns it"
    own = Flips("", (), judged.changes)
    nearest = own.by_market or own.by_rule
    assert nearest is not None
    rule = own.by_rule if own.by_rule is not nearest else None
    also = f", or {rule.name} {_short(rule.after_text)}" if rule is not None else ""
    return f"; enough: {nearest.name} {_short(nearest.after_text)}{also}"


def _short(text: str) -> str:
    """A ratio without its percent in parentheses: the change says that beside it."""
    return text.split(" (", maxsplit=1)[0]
