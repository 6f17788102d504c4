"""Messages through apprise: Discord, mail and a hundred other places, each by one address.

An address holds secrets. Nothing here repeats it, and apprise's own log is not listened to.
"""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Any

from mqd.ground.errors import SettingsError, Unavailable
from mqd.ports.notifier import Notice


class AppriseNotifier:
    """One address of apprise's; implements `mqd.ports.notifier.Notifier`."""

    def __init__(self, address: str) -> None:
        """Read the address; nothing is sent.

        Raises:
            SettingsError: apprise is missing, or it cannot use the address.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what its plugins lean on is for their makers to mend
            apprise = _apprise()
            # One after another on the caller's thread: a pool would outlive the desk.
            self._service = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))
            try:
                is_known = bool(self._service.add(address))
            except Exception:  # noqa: BLE001  # it may name the address
                is_known = False
        if not is_known or len(self._service) != 1:
            raise SettingsError("apprise knows no such address")

    def tell(self, notice: Notice) -> None:
        """Deliver one message.

        Raises:
            Unavailable: it was not taken.
        """
        if not self._service.notify(
            body=notice.text, title=notice.title, notify_type=notice.tone, body_format="text"
        ):
            raise Unavailable("the message was not taken")


def _apprise() -> Any:
    try:
        import apprise
    except ImportError:
        raise SettingsError(
            "notifications need the package apprise; "
            f"install it with: {sys.executable} -m pip install apprise"
        ) from None
    log = logging.getLogger("apprise")  # it would write to stderr, with parts of addresses
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    return apprise
