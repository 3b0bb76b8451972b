"""Filters of the lists, by the states that the badges name."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

from notifications.models import (
    CONNECTION_IS,
    Connection,
    Customer,
    Order,
    OrderNotification,
)
from notifications.models.notification import GIVEN_UP, UNFINISHED
from notifications.verdicts import BLOCKED

from .desk import LISTED_ROWS
from .order_search import orders_of


class StateFilter(admin.SimpleListFilter):
    """Offers states by name; an unknown one in the address filters nothing."""

    states: "dict[str, StrOrPromise]"

    @abstractmethod
    def narrow(self, queryset: QuerySet[Any], state: str) -> QuerySet[Any]:
        """Return the rows that are in the state."""

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> "list[tuple[str, StrOrPromise]]":
        return list(self.states.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.value()
        return self.narrow(queryset, state) if state in self.states else queryset


class NotificationStateFilter(StateFilter):
    """By what became of the notification."""

    title = _("Message")
    parameter_name = "state"
    states = {
        "waiting": _("Waiting to be sent"),
        "delivered": _("Delivered"),
        "failed": _("Not delivered"),
        "blocked": _("Bot blocked"),
    }

    def narrow(
        self, queryset: QuerySet[OrderNotification], state: str
    ) -> QuerySet[OrderNotification]:
        return queryset.filter(_notification_is(state))


class OrderStateFilter(StateFilter):
    """By what became of the message about the order."""

    title = _("Message")
    parameter_name = "state"
    states = NotificationStateFilter.states | {
        "unsubscribed": _("Unsubscribed"),
        "not_connected": _("Customer not connected"),
    }

    @classmethod
    def asks_for_strangers(cls, request: HttpRequest) -> bool:
        """Tell whether only orders of customers without a chat are listed."""
        return request.GET.get(cls.parameter_name) == "not_connected"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        self._searched = request.GET.get(SEARCH_VAR, "")
        return super().queryset(request, queryset)

    def narrow(self, queryset: QuerySet[Order], state: str) -> QuerySet[Order]:
        if state == "delivered":
            # Most orders are: they are met soon when the newest are read first.
            messages = OrderNotification.objects.filter(order=OuterRef("pk"))
            return queryset.filter(
                Exists(messages.filter(processed=True)), ~Exists(messages.open())
            )
        if state == "not_connected":
            # Who has no chat is found at once, in any order but that of names.
            strangers = _those(Connection.NOT_CONNECTED).order_by()
            return queryset.filter(orders_of(strangers, matching=self._searched))
        if state == "unsubscribed":
            finished = OrderNotification.objects.filter(order=OuterRef("pk")).filter(
                _notification_is("delivered") | _notification_is("failed")
            )
            silenced = orders_of(_those(Connection.UNSUBSCRIBED))
            return queryset.filter(silenced).exclude(Exists(finished))
        # Few are: the messages are found first, and their orders then.
        messages = OrderNotification.objects.order_by().filter(_notification_is(state))
        return queryset.filter(pk__in=messages.values("order"))


class ConnectionFilter(StateFilter):
    """By whether messages reach the customer, with how many each choice has."""

    title = _("Telegram")
    parameter_name = "connection"
    states = dict(Connection.choices)

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> "list[tuple[str, StrOrPromise]]":
        return [
            (state, f"{label} ({_many(state)})") for state, label in self.states.items()
        ]

    def narrow(self, queryset: QuerySet[Customer], state: str) -> QuerySet[Customer]:
        return queryset.filter(CONNECTION_IS[state])


def _many(state: str) -> str:
    """Return how many customers are in the state, counted as far as LISTED_ROWS."""
    count = _those(state)[: LISTED_ROWS + 1].count()
    return f"{LISTED_ROWS}+" if count > LISTED_ROWS else str(count)


def _those(state: str) -> QuerySet[Customer]:
    """Return the customers in a state of connection, in the order of its own index.

    SQLite would else take another one, and read nearly all rows.
    """
    return Customer.objects.filter(CONNECTION_IS[state]).order_by("name", "pk")


def _notification_is(state: str) -> Q:
    """Return the condition on notifications that have come to the state."""
    match state:
        case "delivered":
            return Q(processed=True)
        case "waiting":
            of_chat = Customer.objects.filter(tg_user_id=OuterRef("tg_user_id"))
            silenced = of_chat.filter(CONNECTION_IS[Connection.UNSUBSCRIBED])
            return UNFINISHED & ~Q(Exists(silenced))
        case "blocked":
            return GIVEN_UP & Q(last_error_code=BLOCKED)
        case _:
            return GIVEN_UP
