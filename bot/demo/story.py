"""What the demo does by itself: one customer presses Start, one order is delivered."""

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

from bot import exit_codes
from bot.demo.preparation import CUSTOMERS, LOGIN
from bot.demo.saying import say
from notifications.models import Customer, Order

_SECONDS = 60.0
_LOOK_EVERY_SECONDS = 0.01
ORDER_NUMBER = "1001"

_Result = TypeVar("_Result")


class LocalPhones:
    """The people of the local Telegram, played over its control API."""

    def __init__(self, url: str) -> None:
        self._url = url
        # A proxy of the person's own must not come between.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def find(self, name: str) -> int:
        """Return the id of the phone of this person."""
        users = self._call("/control/state")["users"]
        return next(int(user["id"]) for user in users if user["name"] == name)

    def press_start(self, user_id: int, code: str) -> None:
        self._call(f"/control/users/{user_id}/start", {"code": code})

    def arrived_at(self, user_id: int, words: str) -> float | None:
        """Return when a message with these words was sent to the phone, if it was."""
        path = f"/control/ledger?method=sendMessage&chat_id={user_id}"
        for entry in self._call(path)["entries"]:
            if entry["message_id"] and words in (entry["text"] or ""):
                return float(entry["at"])
        return None

    def _call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - our own address on this machine
            self._url + path, data, {"Content-Type": "application/json"}
        )
        with self._opener.open(request, timeout=5) as response:
            return json.load(response)


def run(phones_url: str, admin_url: str, started_at: str) -> int:
    """Tell the story and the addresses; 1 when the order did not arrive in time."""
    name = CUSTOMERS[0][0]
    phones = LocalPhones(phones_url)
    deadline = time.monotonic() + _SECONDS
    try:
        user_id = _wait_for(lambda: phones.find(name), deadline)
        customer = Customer.objects.get(name=name)
        phones.press_start(user_id, customer.invite_code)
        # The bot's answer: it has the customer's chat now.
        _wait_for(lambda: phones.arrived_at(user_id, ""), deadline)
        took = time.time() - float(started_at)

        Order.objects.create(number=ORDER_NUMBER, customer=customer)
        committed_at = time.time()
        arrived_at = _wait_for(
            lambda: phones.arrived_at(user_id, ORDER_NUMBER), deadline
        )
    except TimeoutError:
        say(f"The first order was not delivered within {_SECONDS:g} s.")
        return exit_codes.FAILED
    delivery = max(0.0, arrived_at - committed_at)
    say(
        f"""
  {name} pressed Start, then order {ORDER_NUMBER} was placed:
  delivered to her phone in {delivery:.2f} s.  (The demo was up in {took:.1f} s.)

    Phones   {phones_url}/
    Admin    {admin_url}/admin/   login {LOGIN}, password {LOGIN}

  Press Start on a phone, add an order in the admin, watch it arrive.
  Нажмите Start на телефоне, добавьте заказ в админке и смотрите, как он придёт.
  Ctrl-C stops it; nothing is left behind.
"""
    )
    return exit_codes.OK


def _wait_for(look: Callable[[], _Result | None], deadline: float) -> _Result:
    """Return what `look` finds; what cannot be reached yet is looked for again."""
    while time.monotonic() < deadline:
        try:
            if (found := look()) is not None:
                return found
        except OSError:
            pass  # the local Telegram is still starting
        time.sleep(_LOOK_EVERY_SECONDS)
    raise TimeoutError
