"""The practice exchange on one port of this machine, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from mqd.brokers.practice.access import Access
from mqd.brokers.practice.account_rest import AccountApi
from mqd.brokers.practice.bar_stream import BarStream
from mqd.brokers.practice.checks import OrderChecks
from mqd.brokers.practice.clock_rest import ClockApi
from mqd.brokers.practice.control import Control
from mqd.brokers.practice.data_rest import DataApi
from mqd.brokers.practice.desk_orders import OrderDesk
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.faults import FaultPlan
from mqd.brokers.practice.floor import Floor
from mqd.brokers.practice.gate import Gate
from mqd.brokers.practice.happenings import Happenings
from mqd.brokers.practice.order_rest import OrderApi
from mqd.brokers.practice.replay import Replay
from mqd.brokers.practice.settings import PracticeSettings
from mqd.brokers.practice.trade_stream import TradeStream
from mqd.brokers.practice.wire import Json
from mqd.ground.errors import SettingsError
from mqd.model.event import BarClosed
from mqd.ports.account import Addresses, Keys
from mqd.ports.calendar import Calendar

HOST = "127.0.0.1"
_Result = TypeVar("_Result")


class PracticeServer:
    """An exchange that plays `bars` (in order of time); a context manager, or `start` and `stop`.

       `history` are earlier bars, which REST tells from the start.
    With port 0 the system chooses one; `addresses` tells it after the start. It stands still
       until `step` or `play`. Every method may be called from any thread.
    """

    def __init__(
        self,
        bars: Sequence[BarClosed],
        calendar: Calendar,
        settings: PracticeSettings | None = None,
        faults: FaultPlan | None = None,
        port: int = 0,
        history: Sequence[BarClosed] = (),
    ) -> None:
        self.settings = settings or PracticeSettings()
        self._bars = bars
        self._history = history
        self._calendar = calendar
        self._plan = faults or FaultPlan()
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="practice-exchange", daemon=True)
        self._is_up = threading.Event()
        self._failed: OSError | None = None
        self._control: Control
        self._replay: Replay

    # ---------------------------------------------------------------------------------- the life

    def start(self) -> Self:
        """Begin to listen.

        Raises:
            SettingsError: the port is taken.
        """
        self._thread.start()
        self._is_up.wait()
        if self._failed is not None:
            self._thread.join()
            raise SettingsError(f"port {self._port} of {HOST}: {self._failed.strerror}")
        return self

    def stop(self) -> None:
        """Break every connection and end."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._made())
        try:
            self._loop.run_until_complete(self._listen(runner))
        except OSError as error:
            self._failed = error
        self._is_up.set()
        if self._failed is None:
            self._loop.run_forever()
        self._loop.run_until_complete(self._end(runner))
        self._loop.close()

    async def _made(self) -> web.AppRunner:
        exchange = Exchange(self.settings, self._plan)
        for bar in self._history:
            exchange.market.add(bar)
        exchange.market.list_symbols(bar.symbol for bar in self._bars)
        access = Access(self.settings.keys)
        checks = OrderChecks(exchange)
        desk = OrderDesk(exchange, checks)
        trades, prices = TradeStream(exchange, access), BarStream(exchange, access)
        gate = Gate(exchange, desk, access)
        happenings = Happenings(exchange, desk, access, trades, prices)
        floor = Floor(exchange, desk, gate, trades, prices, happenings)
        self._replay = Replay(self._bars, self._calendar, floor)
        self._control = Control(floor, self._replay)
        self._streams = (trades, prices)
        application = web.Application(middlewares=[gate.middleware])
        application.add_routes(
            [
                *OrderApi(exchange, desk).routes(),
                *AccountApi(exchange, checks).routes(),
                *ClockApi(exchange, self._calendar).routes(),
                *DataApi(exchange).routes(),
                *self._control.routes(),
                web.get("/stream", trades.serve, name="stream.trades"),
                web.get("/v2/iex", prices.serve, name="stream.iex"),
                web.get("/v2/sip", prices.serve, name="stream.sip"),
            ]
        )
        return web.AppRunner(application, shutdown_timeout=0.1, access_log=None)

    async def _listen(self, runner: web.AppRunner) -> None:
        await runner.setup()
        site = web.TCPSite(runner, HOST, self._port)
        await site.start()
        self._port = int(runner.addresses[0][1])

    async def _end(self, runner: web.AppRunner) -> None:
        await self._replay.stop()
        for stream in self._streams:
            for connection in list(stream.connections):
                connection.drop()
        await runner.cleanup()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # --------------------------------------------------------------------------------- the levers

    @property
    def addresses(self) -> Addresses:
        """The four places at which a client reaches it."""
        rest, stream = f"http://{HOST}:{self._port}", f"ws://{HOST}:{self._port}"
        return Addresses(rest, rest, f"{stream}/stream", f"{stream}/v2/iex")

    @property
    def keys(self) -> Keys:
        """The keys that open it."""
        return self.settings.keys

    @property
    def control_url(self) -> str:
        """Where its levers are: `/practice`."""
        return f"{self.addresses.trading_url}/practice"

    def step(self, bars: int = 1, settle_s: float = 0.0) -> int:
        """Play so many bars; how many there were. Frames are with the network on return."""
        return self._on_loop(self._replay.step(bars, settle_s))

    def play(self, speed: float | None) -> None:
        """Go on at `speed` times real time, None as fast as requests settle, 0 to stand.

        It waits while nobody is subscribed to bars.
        """
        self._on_loop(_called(lambda: self._replay.play(speed)))

    def plan(self, **words: Any) -> Json:
        """Plan one fault: `plan(kind="http_504", request="submit")`.

        Raises:
            SettingsError: there is no such fault.
        """
        return self._on_loop(_called(lambda: self._control.add_fault(words)))

    def books(self) -> Json:
        """The truth: orders, executions, positions, cash, every request."""
        return self._on_loop(_called(self._control.truth))

    def state(self) -> Json:
        """Where the day is, and who listens."""
        return self._on_loop(_called(self._control.now))

    def _on_loop(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _called(act: Any) -> Any:
    return act()
