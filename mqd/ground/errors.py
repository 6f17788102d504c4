"""Every error of the desk, grouped by what happens next.

MqdError
├─ SetupError        does not start           SettingsError, KeyMismatchError, BarsFileError,
│                                             JournalInUseError
├─ RuleError         validate-rules, exit 1   carries every Problem
├─ Refused           normal life, journaled   DuplicateOrderError, LimitExceededError,
│                                             MalformedSignalError, ProtectionError
├─ UnknownOutcome    look up, then decide     BrokerTimeoutError, BrokerConfirmationRequiredError
├─ StrategyFailed    leave it out of a bar,   StrategyFailedError
│                    tell; the others go on
├─ Unavailable       back off                 BrokerUnavailableError, InboxFullError
├─ Incident          book it, stop entries,   TerminalStateError, UnknownOrderError,
│                    tell; exits go on        ExecutionConflictError, OverfillError,
│                                             MalformedExecutionError, OrphanedPositionError,
│                                             UnknownBrokerWordError, PositionDriftError,
│                                             ExecutionBustedError, UnresolvedError,
│                                             UnreadableNewsError, LockedOutError,
│                                             UnauthorizedAIActionError
└─ InvariantError    freeze, tell a person    InvalidTransitionError, ReconciliationError,
                                              InvariantViolatedError, BrokerEchoError, JournalError
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class MqdError(Exception):
    """Anything the desk raises on purpose; its text is one clear line for a person.

    `severity` is how loud it is; a rule that raises an error may set another one.
    """

    severity = "CRITICAL"


class SetupError(MqdError):
    """The desk does not start: something about where it runs is wrong."""


class SettingsError(SetupError):
    """A setting is missing, unknown or has a value that cannot be used."""


class KeyMismatchError(SetupError):
    """Keys, address, account and profile do not belong together; real money may be meant."""


class BarsFileError(SetupError):
    """A bars file is missing, unreadable or holds something else than one-minute bars."""


class JournalInUseError(SetupError):
    """Another process owns this journal; one process owns a journal and an account."""


class RuleError(MqdError):
    """Rules were refused; `problems` holds every problem in `folder`, each with its place."""

    def __init__(self, problems: Sequence[object], folder: str = "rules") -> None:
        self.problems = tuple(problems)
        self.folder = folder
        count = len(self.problems)
        super().__init__(f"{folder}: {count} problem{'s' if count != 1 else ''}")


class Refused(MqdError):
    """Normal life: something was asked for that the rules do not allow; it is journaled."""


class DuplicateOrderError(Refused):
    """An order with this client order id exists already; nothing was sent."""


class LimitExceededError(Refused):
    """An order is larger than a declared limit."""


class MalformedSignalError(Refused):
    """A signal lacks a field or holds an impossible one; refused at the strategy's boundary."""


class ProtectionError(Refused):
    """A protection could not be asked; it blocks entries until it can be."""


class UnknownOutcome(MqdError):
    """The world has not told us yet: look up, then decide."""


class BrokerTimeoutError(UnknownOutcome):
    """A request was sent and no answer came; the order may or may not exist."""


class BrokerConfirmationRequiredError(UnknownOutcome):
    """A transition needs the broker's confirmation (its order id) and the event carries none."""


class StrategyFailed(MqdError):
    """One strategy cannot be asked: it is left out, and no other one suffers."""


class StrategyFailedError(StrategyFailed):
    """A strategy's rules could not be computed on a bar; it is left out on that bar."""


class Unavailable(MqdError):
    """Something outside cannot be reached: back off and try again."""


class BrokerUnavailableError(Unavailable):
    """The broker refused the connection; the request was provably not taken."""


class InboxFullError(Unavailable):
    """More comes in than the loop can take; what was not taken counts as lost."""


class Incident(MqdError):
    """The world did what it should not: book it, stop entries, tell a person; exits go on."""


class TerminalStateError(Incident):
    """News that matters (a late fill) arrived for an order that has ended; the order stays."""


class UnknownOrderError(Incident):
    """The broker reports on an order the desk never made."""


class ExecutionConflictError(Incident):
    """An execution id came twice with different contents; the first one stands."""


class MalformedExecutionError(Incident):
    """The broker reports an execution whose numbers cannot be; it is not booked."""


class OrphanedPositionError(Incident):
    """The rules in force have no strategy that manages a position which the desk holds."""


class OverfillError(Incident):
    """More was filled than was ordered; the position follows the fills."""


class UnknownBrokerWordError(Incident):
    """The broker used a word for an order that the rules do not know; nothing was read into it."""


class PositionDriftError(Incident):
    """The broker holds something else than the desk's executions add up to."""


class ExecutionBustedError(Incident):
    """The broker took back or corrected an execution; the ledger follows, and edits nothing."""


class UnresolvedError(Incident):
    """A watch rule found something that only a person can resolve."""


class UnreadableNewsError(Incident):
    """A message of the broker that nobody can read; it is kept as it came."""


class LockedOutError(Incident):
    """The broker does not take the desk's keys any more."""


class UnauthorizedAIActionError(Incident):
    """Something that is no strategy, watch or button of the rules reached for an order.

    Nothing was sent. Exits go on: what has no right to an order must not be able to stop one.
    """


class InvariantError(MqdError):
    """Something that must always hold does not: the desk freezes and a person is told."""


class InvalidTransitionError(InvariantError):
    """A machine was asked for a transition that its rules do not allow; its state is unchanged."""


class ReconciliationError(InvariantError):
    """The desk and the broker differ by more than the rules let pass."""


class InvariantViolatedError(InvariantError):
    """A declared invariant does not hold."""


class BrokerEchoError(InvariantError):
    """The broker has another side, symbol or quantity for an order than was sent."""


class JournalError(InvariantError):
    """The journal is broken, was changed from outside, or could not be written."""
