"""The manager's desk as a process of its own, beside a local Telegram, for browsers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import BrowserContext, Page

from tests.support.product import RunningProduct
from tests.support.telegram import ANNA, RunningTelegram

LOGIN = "manager"
_PEOPLE = f"""
from django.contrib.auth.models import Permission, User
from django.utils import timezone
User.objects.create_superuser({LOGIN!r}, password={LOGIN!r})
now = timezone.now()
Customer.objects.create(name="Анна Смирнова", phone="+7 916 000-00-01",
    tg_user_id={ANNA}, started_at=now)
Customer.objects.create(name="Пётр Новиков", phone="+7 916 000-00-05")
Customer.objects.create(name="Олег Тихий", tg_user_id=501, started_at=now,
    unsubscribed_at=now)
Customer.objects.create(name="Инна Громова", tg_user_id=502, started_at=now,
    blocked_at=now)
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """A running shop with one customer of each kind, and a superuser `LOGIN`."""

    product: RunningProduct
    telegram: RunningTelegram

    @property
    def url(self) -> str:
        return self.product.admin_url

    def log_in(self, window: BrowserContext, login: str = LOGIN) -> Page:
        """Return a page on which this user is logged in; the password is the login."""
        page = window.new_page()
        page.goto(self.url)
        page.fill("#id_username", login)
        page.fill("#id_password", login)
        page.click(".submit-row [type=submit]")
        page.wait_for_url("**/admin/")
        return page

    def fill_with_example(self) -> None:
        """Put the example shop in place of the customers that there are."""
        self.product.run_django(
            "from tests.support import example_shop\n"
            "Customer.objects.all().delete()\n"
            f"example_shop.fill({LOGIN!r})\n"
        )

    def make_failed(self, *numbers: str, customer: str = "Анна Смирнова") -> None:
        """Make orders whose messages were given up."""
        self.product.run_django(
            "from django.db import transaction\n"
            # In one transaction: no worker sees them before they have failed.
            "with transaction.atomic():\n"
            f"    customer = Customer.objects.get(name={customer!r})\n"
            f"    for number in {list(numbers)!r}:\n"
            "        order = Order.objects.create(number=number, customer=customer)\n"
            "        order.notifications.update(failed_attempts_number=3,\n"
            "            last_error_code='chat_not_found', last_error='Bad Request')\n"
        )


@contextmanager
def running_desk(folder: Path, **settings: str) -> Iterator[Desk]:
    with RunningTelegram() as telegram:
        product = RunningProduct(
            folder,
            "--port=0",
            TG_API_URL=telegram.api_url,
            TG_LINK_URL=telegram.page_url.rstrip("/"),
            TG_BOT_TOKEN=telegram.token,
            **settings,
        )
        with product:
            product.wait_for_start()
            telegram.press_start(ANNA)
            telegram.wait_for_message(ANNA, "Здравствуйте")
            product.run_django("Customer.objects.all().delete()\n" + _PEOPLE)
            yield Desk(product, telegram)
