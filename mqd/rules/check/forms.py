"""The forms of an order: which of them the broker takes, and in which this desk's orders leave."""

from __future__ import annotations

from itertools import product

from mqd.rules.book import BrokerForm, BrokerWords, Sends, SentForm
from mqd.rules.check.document import Document
from mqd.rules.words.orders import ANY, ORDER_TYPES, PART, SHARES, TIMES_IN_FORCE

CODES = {
    "FORM_NEVER_REACHED": "A form of an order stands below others that fit whatever it fits.",
    "FORM_MISSING": "Nothing says whether the broker takes an order of some form.",
    "EXIT_FORM_NOT_TAKEN": "Exits leave in a form that the broker does not take.",
}

_EVERY = tuple(product(ORDER_TYPES, TIMES_IN_FORCE, SHARES))


def read_forms(document: Document) -> tuple[BrokerForm, ...]:
    """The forms of a broker's document, in the author's order; every order fits one of them."""
    forms = tuple(_form(document, code.text) for code, _ in document.pairs("forms"))
    left = set(_EVERY)
    for form in forms:
        fitting = {each for each in _EVERY if form.fits(*each)}
        if fitting and not fitting & left:
            document.note(
                form.place, ("forms", form.code), "FORM_NEVER_REACHED",
                f"`{form.code}` is never reached: those above it fit whatever it fits.",
                "move it up, or remove it",
            )  # fmt: skip
        left -= fitting
    if forms and left:
        first = ", ".join(f"`{word}`" for word in min(left, key=_EVERY.index))
        document.note(
            document.key_place("forms"), ("forms",), "FORM_MISSING",
            f"Nothing says whether an order of {first} is taken.",
            "let the last one say `any` three times",
        )  # fmt: skip
    return forms


def _form(document: Document, code: str) -> BrokerForm:
    path = ("forms", code)
    return BrokerForm(
        code=code,
        type=document.text(*path, "type"),
        time_in_force=document.text(*path, "time_in_force"),
        shares=document.text(*path, "shares"),
        is_taken=document.text(*path, "taken") == "true",
        because=document.text(*path, "because"),
        place=document.key_place(*path),
    )


def read_sends(document: Document) -> Sends:
    """In which form entries and exits leave; an entry's type is its strategy's own."""
    entry, exit_ = (
        SentForm(
            type=document.text("sends", role, "type") or ANY,
            time_in_force=document.text("sends", role, "time_in_force"),
            because=document.text("sends", role, "because"),
            place=document.key_place("sends", role),
        )
        for role in ("entry", "exit")
    )
    return Sends(entry, exit_)


def check_exits_taken(document: Document, sends: Sends, words: BrokerWords) -> None:
    """No check may refuse an exit, so its form has to be one that the broker takes, of any size."""
    form = sends.exit
    refused = [
        shares
        for shares in SHARES
        if not words.takes(form.type, form.time_in_force, is_part=shares == PART)
    ]
    if refused and form.type in ORDER_TYPES and form.time_in_force in TIMES_IN_FORCE:
        of = " nor ".join(f"`{shares}`" for shares in refused)
        document.note(
            document.place_of("sends", "exit", "time_in_force"), ("sends", "exit"),
            "EXIT_FORM_NOT_TAKEN",
            f"{words.header.id} takes no `{form.type}` order `{form.time_in_force}` for {of} "
            "shares.",
            "choose a form that it takes for whole shares and for parts of one",
        )  # fmt: skip
