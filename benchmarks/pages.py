"""How long the server takes for every page of the admin, in a big shop.

DATABASE_URL=sqlite:////tmp/big.sqlite3 python -m benchmarks.pages

The shop is that of `benchmarks.big_shop`. Pages are found by following the links of
lists, so that each filter, each pair of filters, each order and the last page of each
is among them. Ends with 1 when the median of a page is over the limit.
"""

import argparse
import html
import os
import re
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import django
from django.contrib.admin.utils import quote

from benchmarks.big_shop import MANAGER

SHOP = "/admin/notifications"
LISTS = ("order", "customer", "ordernotification", "orderstatus")
QUEUE_LISTS = ("queue", "worker", "claim")
# What is typed into a search, by what it is.
TERMS = {
    "a number": "500001",
    "the beginning of a number": "50000",
    "one digit": "1",
    "a letter's number": "м500",
    "a name": "Иванова Анна",
    "a name, not as written": "иВАНОВА аННА",
    "three letters": "Ива",
    "one letter": "и",
    "two single letters": "и а",
    "words of no customer": "Иванова Пётр",
    "a whole phone": "",
    "the same phone, with 8": "",
    "the end of a phone": "",
    "the beginning of a phone": "+7 91",
    "the first digit of all phones": "7",
    "the second digit of all phones": "9",
    "a username": "@user_3000",
    "the beginning of all usernames": "@user",
    "a Telegram ID": "1000000003",
    "nothing that there is": "Ъъъъъъ",
    "an emoji": "😀",
    "much text": " ".join(f"слово{number}" for number in range(200)),
}
CHOICE_OF_A_CUSTOMER = {
    "app_label": "notifications",
    "model_name": "order",
    "field_name": "customer",
}
# With these each filter is tried, too.
TERMS_TO_FILTER = (
    *("one letter", "three letters", "one digit", "a name"),
    "the second digit of all phones",
)


@dataclass(slots=True)
class Measured:
    """What the server took for one page: milliseconds, of time and of CPU."""

    address: str
    status: int = 0
    queries: int = 0
    kilobytes: float = 0.0
    took: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.took)

    @property
    def cpu_median(self) -> float:
        return statistics.median(self.cpu)


class Browser:
    """A manager who is logged in, and remembers what each page took."""

    def __init__(self) -> None:
        from django.test import Client

        self.pages: dict[object, Measured] = {}
        self._client = Client(SERVER_NAME="127.0.0.1")
        if not self._client.login(username=MANAGER, password=MANAGER):
            raise ValueError(f"There is no {MANAGER} here: see benchmarks.big_shop.")

    def open(self, address: str) -> str:
        """Return a page, up to its first bytes if it is a stream."""
        page = self.pages.setdefault(same(address), Measured(address))
        return self.look(page)

    def look(self, page: Measured) -> str:
        """Open a page once more."""
        from django.db import connection

        queries = 0

        def count(execute: Any, *args: Any) -> Any:
            nonlocal queries
            queries += 1
            return execute(*args)

        with connection.execute_wrapper(count):
            cpu, started = _cpu_seconds(), time.perf_counter()
            response = self._client.get(page.address)
            streamed = getattr(response, "streaming", False)
            body = next(iter(response), b"") if streamed else response.content
            page.took.append(1000 * (time.perf_counter() - started))
            page.cpu.append(1000 * (_cpu_seconds() - cpu))
        response.close()
        page.status, page.queries = response.status_code, queries
        page.kilobytes = len(body) / 1000
        return body.decode(errors="replace")


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of its server process, if it has one.

    On a loaded machine it tells more than the time that passed.
    """
    from django.db import connection

    own = time.process_time()
    if connection.vendor != "postgresql":
        return own
    connection.ensure_connection()
    try:
        stat = Path(f"/proc/{connection.connection.info.backend_pid}/stat").read_text()
    except OSError:
        return own  # the server is elsewhere
    # The 14th and 15th field; the name before them may hold blanks.
    user, system = stat.rpartition(")")[2].split()[11:13]
    return own + (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def links_of(address: str, body: str) -> list[str]:
    """Return where the list's own links lead: its filters, orders and pages."""
    path = address.partition("?")[0]
    found = re.findall(r'href="(\?[^"]*)"', body)
    return [path + html.unescape(link) for link in dict.fromkeys(found)]


def same(address: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """Return what tells an address from others that show another page."""
    path, _, query = address.partition("?")
    return path, frozenset(parse_qsl(query, keep_blank_values=True))


def followed(links: list[str]) -> list[str]:
    """Leave out all pages but the last, and those that show all of a few rows."""
    links = [link for link in links if "all=" not in link]
    pages = [link for link in links if "p=" in link]
    return [link for link in links if "p=" not in link] + pages[-1:]


def open_every_page(browser: Browser) -> None:
    """Open each page once."""
    first = browser.open("/admin/")
    for link in re.findall(r'href="(/admin/[^"]*\?[^"]*)"', first):
        # Where the numbers of the dashboard lead.
        browser.open(html.unescape(link))
    browser.open("/admin/dashboard/")
    for model in QUEUE_LISTS:
        browser.open(f"/admin/django_workers/{model}/")
    for model in LISTS:
        open_list(browser, f"/admin/notifications/{model}/")
    for address in pages_of_rows():
        browser.open(address)
    for term, page in (("", 2), ("и", 2), *((term, 1) for term in terms().values())):
        query = {**CHOICE_OF_A_CUSTOMER, "term": term, "page": page}
        browser.open(f"/admin/autocomplete/?{urlencode(query)}")


def open_list(browser: Browser, address: str) -> None:
    """Open a list, what it links to, what that links to, and what it finds."""
    for link in links_of(address, browser.open(address)):
        body = browser.open(link)
        if "p=" not in link:
            for pair in followed(links_of(link, body)):
                browser.open(pair)
    for name, term in terms().items():
        found = f"{address}?{urlencode({'q': term})}"
        links = followed(links_of(found, browser.open(found)))
        for link in links if name in TERMS_TO_FILTER else links[-1:]:
            browser.open(link)


def terms() -> dict[str, str]:
    from notifications.models import Customer

    customer = Customer.objects.exclude(phone="").order_by("-pk").first()
    if customer is None:
        raise ValueError("There is no customer here: see benchmarks.big_shop.")
    digits = re.sub(r"\D", "", customer.phone)
    return TERMS | {
        "a whole phone": customer.phone,
        "the same phone, with 8": f"8{digits[1:]}",
        "the end of a phone": digits[-4:],
    }


def pages_of_rows() -> Iterator[str]:
    """Yield the pages of rows of each kind, and what leads from lists elsewhere."""
    from notifications.models.notification import QUEUE_NAME

    yield from pages_of_customers()
    yield from pages_of_messages()
    for number in ("", "new", "500001"):
        yield f"{SHOP}/order/outlook/?{urlencode({'number': number, 'customer': 1})}"
    yield f"{SHOP}/order/add/"
    yield f"{SHOP}/orderstatus/new/change/"
    for model in ("order", "ordernotification"):
        for query in ("", "?state=failed", "?state=delivered", "?day=week", "?q=и"):
            yield f"{SHOP}/{model}/retry/{query}"
    queue = quote(QUEUE_NAME)
    yield f"/admin/django_workers/queue/{queue}/change/"
    yield f"/admin/django_workers/queue/{queue}/state/"


def pages_of_customers() -> Iterator[str]:
    from notifications.models import Customer

    customers = Customer.objects.order_by("pk")
    # Those who came first come most often.
    for customer in (customers[0], customers.filter(tg_user_id=None)[0]):
        card = f"{SHOP}/customer/{customer.pk}"
        for name in ("change", "history", "delete", "card", "merge", "connection"):
            yield f"{card}/{name}/"
        yield f"{card}/merge/?other={customer.pk + 1}"
        yield f"{SHOP}/order/?customer__id__exact={customer.pk}"
        yield f"{SHOP}/ordernotification/?q={customer.tg_user_id}"
    yield f"{SHOP}/customer/add/"
    for cards in ("", "?sheets=2", "?sheets=100", "?connection=not_connected", "?q=и"):
        yield f"{SHOP}/customer/cards/{cards}"


def pages_of_messages() -> Iterator[str]:
    from notifications.models import OrderNotification

    messages = OrderNotification.objects.filter(order__isnull=False).order_by("pk")
    for message in (
        messages.reverse()[0],
        messages.filter(processed=True)[0],
        messages.given_up()[0],
        messages.unfinished()[0],
    ):
        for name in ("change", "history", "delete"):
            yield f"{SHOP}/order/{message.order_id}/{name}/"
            yield f"{SHOP}/ordernotification/{message.pk}/{name}/"


def measure(rounds: int) -> list[Measured]:
    browser = Browser()
    open_every_page(browser)
    pages = list(browser.pages.values())
    say(f"Found {len(pages)} pages; load {os.getloadavg()[0]:.1f}")
    for _ in range(1, rounds):
        for page in pages:
            browser.look(page)
        say(f"Opened each once more; load {os.getloadavg()[0]:.1f}")
    return pages


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=500, help="milliseconds")
    parser.add_argument("--show", type=int, default=40, help="how many, slowest first")
    parser.add_argument("--cpu", action="store_true", help="judge by the CPU time")
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workers_tutorial.settings")
    django.setup()
    measured = measure(arguments.rounds)

    def cost(page: Measured) -> float:
        return page.cpu_median if arguments.cpu else page.median

    measured.sort(key=cost, reverse=True)
    say(f"{'median':>8}{'worst':>8}{'CPU':>8}{'queries':>8}{'kB':>7}  page (ms)")
    for page in measured[: arguments.show]:
        say(
            f"{page.median:8.0f}{max(page.took):8.0f}{page.cpu_median:8.0f}"
            f"{page.queries:8}{page.kilobytes:7.0f}  {unquote(page.address)[:150]}"
        )
    broken = [page for page in measured if page.status >= 400]
    for page in broken:
        say(f"{page.status} {page.address[:150]}")
    slow = [page for page in measured if cost(page) > arguments.limit]
    say(f"{len(measured)} pages, {len(slow)} of them over {arguments.limit:.0f} ms")
    return 1 if slow or broken else 0


if __name__ == "__main__":
    sys.exit(main())
