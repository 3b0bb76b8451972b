"""Invites on paper: a card for one customer, or for all of a list, to cut out."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ALL_VAR, PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from notifications.models import CONNECTION_IS, BotStatus, Connection, Customer

from .desk import LISTED_ROWS, DeskAdmin
from .invite import Invite
from .searching import is_key

CARDS_PER_SHEET = 8
SHEETS_AT_ONCE = 8
CARDS_AT_ONCE = CARDS_PER_SHEET * SHEETS_AT_ONCE

_TO_BE_INVITED = ~CONNECTION_IS[Connection.CONNECTED]
_SHEET_VAR, _CHOSEN_VAR, _LANGUAGE_VAR = "sheets", "chosen", "words"


@dataclass(frozen=True, slots=True)
class Card:
    """What is printed for one customer."""

    name: str
    invite: Invite


class CustomerCards(DeskAdmin[Customer]):
    """Pages that are made to be printed."""

    actions = ["print_cards"]

    @admin.action(description=gettext_lazy("Print invite cards"), permissions=["view"])
    def print_cards(
        self, request: HttpRequest, queryset: QuerySet[Customer]
    ) -> HttpResponse:
        """Lead to the cards of the chosen customers, or of all that the list has."""
        cards = reverse("admin:notifications_customer_cards")
        if request.POST.get("select_across") == "1":
            query = request.GET.copy()
            query.pop(PAGE_VAR, None)
            return HttpResponseRedirect(f"{cards}?{query.urlencode()}")
        keys = ",".join(map(str, queryset.order_by().values_list("pk", flat=True)))
        return HttpResponseRedirect(f"{cards}?{urlencode({_CHOSEN_VAR: keys})}")

    def get_urls(self) -> list[URLPattern]:
        def view(page: Any) -> Any:
            return require_GET(self.admin_site.admin_view(page))

        name = "notifications_customer"
        return [
            path("<int:pk>/card/", view(self.card_view), name=f"{name}_card"),
            path("cards/", view(self.cards_view), name=f"{name}_cards"),
            *super().get_urls(),
        ]

    def card_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the card of one customer, whatever the state of their connection."""
        self._check(request)
        customer = Customer.objects.filter(pk=pk).first()
        if customer is None:
            raise Http404
        back = reverse("admin:notifications_customer_change", args=[pk])
        return self._cards_page(request, [customer], back=back, is_single=True)

    def cards_view(self, request: HttpRequest) -> HttpResponse:
        """Show the cards of those on the list who need one, some sheets at once."""
        self._check(request)
        number = _whole(request.GET.get(_SHEET_VAR), at_least=1)
        customers = self._wanted(request)
        first = (number - 1) * CARDS_AT_ONCE
        found = list(customers[first : first + CARDS_AT_ONCE + 1])
        total = customers.order_by()[: LISTED_ROWS + 1].count()
        shown = found[:CARDS_AT_ONCE]
        return self._cards_page(
            request,
            shown,
            back=reverse("admin:notifications_customer_changelist"),
            first=first + 1,
            last=first + len(shown),
            total=min(total, LISTED_ROWS),
            has_more_than_total=total > LISTED_ROWS,
            sheets=-(-len(shown) // CARDS_PER_SHEET),
            previous=_address(request, sheets=number - 1) if number > 1 else "",
            following=_address(request, sheets=number + 1)
            if len(found) > CARDS_AT_ONCE
            else "",
        )

    def _wanted(self, request: HttpRequest) -> QuerySet[Customer]:
        """Return the customers of the list's own filters, or those that were chosen."""
        if chosen := request.GET.get(_CHOSEN_VAR):
            keys = [int(key) for key in chosen.split(",") if is_key(key)]
            wanted = Customer.objects.filter(pk__in=keys).order_by("name", "pk")
            return wanted.filter(_TO_BE_INVITED)
        asked = request.GET
        filters = asked.copy()
        for name in (_SHEET_VAR, _LANGUAGE_VAR, PAGE_VAR, ALL_VAR):
            filters.pop(name, None)
        request.GET = filters  # type: ignore[assignment]  # the list reads nothing else
        try:
            found: QuerySet[Customer] = self.get_changelist_instance(request).queryset
        finally:
            request.GET = asked
        return found.filter(_TO_BE_INVITED)

    def _check(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _cards_page(
        self, request: HttpRequest, customers: list[Customer], **context: Any
    ) -> HttpResponse:
        username = BotStatus.current().username
        languages = dict(settings.LANGUAGES)
        wanted = request.GET.get(_LANGUAGE_VAR, "")
        language = wanted if wanted in languages else settings.LANGUAGE_CODE
        context |= {
            "bot_username": username,
            "cards": [
                Card(customer.name, Invite(customer.invite_code, username))
                for customer in customers
            ],
            "language": language,
            "languages": [(code, _address(request, words=code)) for code in languages],
        }
        return render(request, "admin/notifications/cards.html", context)


def _address(request: HttpRequest, **changed: Any) -> str:
    query = request.GET.copy()
    for name, value in changed.items():
        query[name] = str(value)
    return f"?{query.urlencode()}"


def _whole(text: str | None, *, at_least: int) -> int:
    return max(int(text), at_least) if text and is_key(text) else at_least
