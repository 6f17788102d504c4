"""The trading API, second part: the account, its fills, and the shares that may be traded."""

from __future__ import annotations

from aiohttp import web

from mqd.brokers.practice.answers import answered, count_of, instant_of
from mqd.brokers.practice.checks import OrderChecks
from mqd.brokers.practice.exchange import Exchange
from mqd.brokers.practice.wire import Json, activity_id, activity_json, local, made_id, text

_MOST_ACTIVITIES = 100


class AccountApi:
    """The routes of the account and of assets."""

    def __init__(self, exchange: Exchange, checks: OrderChecks) -> None:
        self._exchange = exchange
        self._checks = checks
        self.account_id = made_id(f"{exchange.settings.name} account")

    def routes(self) -> list[web.RouteDef]:
        """Every route; its name up to the point is what a planned fault calls the request."""
        return [
            web.get("/v2/account", self.account, name="account"),
            web.get("/v2/account/configurations", self.configurations, name="account.config"),
            web.get("/v2/account/activities", self.activities, name="activities"),
            web.get("/v2/account/activities/{kind}", self.activities, name="activities.kind"),
            web.get("/v2/assets", self.assets, name="assets"),
            web.get("/v2/assets/{symbol}", self.asset, name="assets.one"),
        ]

    async def account(self, request: web.Request) -> web.Response:
        """The account: cash, and what it is worth."""
        exchange = self._exchange
        equity, cash = exchange.equity_usd(), exchange.books.cash_usd
        power = self._checks.buying_power_usd()
        told: Json = {
            "id": self.account_id,
            "account_number": f"PA{self.account_id[:10].replace('-', '').upper()}",
            "status": "ACTIVE",
            "currency": "USD",
            "multiplier": "1",
            "created_at": "2024-01-02T14:30:00Z",
            "account_blocked": False,
            "trading_blocked": False,
            "transfers_blocked": False,
            "trade_suspended_by_user": False,
            "shorting_enabled": False,
            "accrued_fees": "0",
            "short_market_value": "0",
            "sma": "0",
            "options_approved_level": "0",
            "options_trading_level": "0",
        }
        for name in ("cash", "regt_buying_power", "non_marginable_buying_power", "buying_power"):
            told[name] = text(cash if name == "cash" else power)
        told["options_buying_power"] = text(power)
        told["equity"] = told["portfolio_value"] = text(equity)
        told["last_equity"] = text(exchange.equity_before_usd)
        for name in ("long_market_value", "initial_margin", "maintenance_margin"):
            told[name] = text(equity - cash)
        told["last_maintenance_margin"] = "0"
        told.update(exchange.account_says)
        return answered({name: value for name, value in told.items() if value is not None})

    async def configurations(self, request: web.Request) -> web.Response:
        """What the account may do."""
        return answered(
            {
                "dtbp_check": "entry",
                "fractional_trading": True,
                "max_margin_multiplier": "1",
                "max_options_trading_level": 0,
                "no_shorting": True,
                "pdt_check": "entry",
                "ptp_no_exception_entry": False,
                "suspend_trade": False,
                "trade_confirm_email": "none",
            }
        )

    async def activities(self, request: web.Request) -> web.Response:
        """Fills, the newest first unless asked otherwise; `page_token` is the last id had."""
        query = request.query
        kinds = request.match_info.get("kind") or query.get("activity_types", "FILL")
        size = count_of(query.get("page_size"), _MOST_ACTIVITIES, _MOST_ACTIVITIES)
        after_ns, until_ns = instant_of(query, "after"), instant_of(query, "until")
        day = query.get("date")
        found = [
            each
            for each in self._exchange.books.executions
            if "FILL" in kinds.split(",")
            and (after_ns is None or each.at_ns > after_ns)
            and (until_ns is None or each.at_ns < until_ns)
            and (day is None or local(each.at_ns).date().isoformat() == day)
        ]
        if query.get("direction") != "asc":
            found.reverse()
        token = query.get("page_token")
        if token:
            ids = [activity_id(each) for each in found]
            found = found[ids.index(token) + 1 :] if token in ids else []
        return answered([activity_json(each, self.account_id) for each in found[:size]])

    async def assets(self, request: web.Request) -> web.Response:
        """Every share that has a bar."""
        return answered([self._checks.asset(symbol) for symbol in self._exchange.market.bars])

    async def asset(self, request: web.Request) -> web.Response:
        """One share."""
        return answered(self._checks.asset(request.match_info["symbol"]))
