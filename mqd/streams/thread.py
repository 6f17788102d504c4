"""A stream's own thread, and a way to ask the world something without holding the stream up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Event, Thread, current_thread
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


class StreamThread:
    """Runs a coroutine in a loop and a thread of its own, from `start` to `stop`.

    `failure` is what ended it, where that was neither its own end nor `stop`.
    """

    def __init__(
        self,
        name: str,
        main: Callable[[], Coroutine[Any, Any, None]],
        failed: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        """`failed` is told, on the dying thread, of what nobody else has caught."""
        self._name = name
        self._main = main
        self._failed = failed
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
        self._thread = Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End it from any thread, also its own; True when it has ended.

        May be called before `start`, twice, and from inside a handler.
        """
        thread = self._thread
        if thread is None or not thread.is_alive():
            return True
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
            asyncio.run(self._noted())
        except asyncio.CancelledError:
            pass  # that was `stop`
        except BaseException as error:  # noqa: BLE001  # kept, told, never lost
            self.failure = error
            self._failed(error)
        finally:
            self._is_ready.set()

    async def _noted(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._is_ready.set()
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
