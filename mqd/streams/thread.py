"""A stream's own thread, and a way to ask the world something without holding the stream up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Event, Thread, current_thread
from typing import Any, TypeVar

from mqd.streams.backoff import Backoff

_Answer = TypeVar("_Answer")


class StreamThread:
    """Runs a coroutine in a loop and a thread of its own, from `start` to `stop`.

    What nobody foresaw ends the coroutine and not the thread: it is told, and after a pause the
    coroutine is begun again, for as long as that takes. A coroutine that ends by itself is done.
    `failure` is what broke it last.
    """

    def __init__(
        self,
        name: str,
        main: Callable[[], Coroutine[Any, Any, None]],
        backoff: Backoff,
        failed: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        """`failed` is told, on the stream's thread, of what nobody else has caught."""
        self._name = name
        self._main = main
        self._failed = failed
        self._backoff = backoff
        self._is_stopping = Event()
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._is_ready = Event()
        self.failure: BaseException | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin; does nothing while it runs."""
        if self.is_alive:
            return
        self.failure = None
        self._is_ready = Event()
        self._is_stopping = Event()
        self._thread = Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End it from any thread, also its own; True when it has ended.

        May be called before `start`, twice, and from inside a handler.
        """
        thread = self._thread
        if thread is None or not thread.is_alive():
            return True
        self._is_stopping.set()
        self._is_ready.wait(timeout_s)
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with suppress(RuntimeError):  # its loop has just ended by itself
                loop.call_soon_threadsafe(task.cancel)
        if thread is not current_thread():
            thread.join(timeout_s)
        return not thread.is_alive()

    def _run(self) -> None:
        try:
            while self._has_broken():
                if self._is_stopping.wait(self._backoff.pause_s()):
                    return
        finally:
            self._is_ready.set()

    def _has_broken(self) -> bool:
        """Run the coroutine; whether it has to be begun again."""
        began_s = time.monotonic()
        try:
            asyncio.run(self._noted())
        except asyncio.CancelledError:
            return False  # that was `stop`
        except BaseException as error:  # noqa: BLE001  # kept, told, never lost
            self.failure = error
            self._failed(error)
            if time.monotonic() - began_s >= self._backoff.longest_s:  # it had been well
                self._backoff.reset()
            return isinstance(error, Exception)
        return False

    async def _noted(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._is_ready.set()
        if not self._is_stopping.is_set():  # else `stop` found no task to end
            await self._main()


async def away(ask: Callable[[], _Answer]) -> _Answer:
    """What `ask` answers, asked on a thread of its own that nobody has to wait for at the end."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Answer] = loop.create_future()

    def work() -> None:
        try:
            found = ask()
        except BaseException as error:  # noqa: BLE001  # raised again where it was asked
            _tell(loop, answer, None, error)
        else:
            _tell(loop, answer, found, None)

    Thread(target=work, name="stream-request", daemon=True).start()
    return await answer


def _tell(
    loop: asyncio.AbstractEventLoop,
    answer: asyncio.Future[Any],
    found: object,
    error: BaseException | None,
) -> None:
    def settle() -> None:
        if answer.done():
            return  # nobody waits any more
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found)

    with suppress(RuntimeError):  # the stream was stopped meanwhile
        loop.call_soon_threadsafe(settle)
