"""The form of a new order, and what is said when it is saved."""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from django_workers.database import storable
from notifications.models import Order
from notifications.models.telling import MessageChange

from .desk import DeskAdmin
from .numbers import next_order_number
from .outlook import customer_named, hindrance_of, is_key, nothing_is_sent, outlook
from .typed import ModelForm

OUTLOOK = "notifications_order_outlook"
# By two clicks, or by going back to a form: later it is another order, or a mistake.
SENT_AGAIN_WITHIN = timedelta(hours=1)


class NumberedForm(ModelForm[Order]):
    """An order. What is wrong with its number is said in words."""

    def clean_number(self) -> str:
        number: str = self.cleaned_data["number"]
        if any(char.isspace() or not char.isprintable() for char in number):
            raise ValidationError(_("A number has no spaces in it."))
        return number

    def validate_unique(self) -> None:
        """Look once, so that no other words than ours tell of a number just taken."""
        number = self.cleaned_data.get("number")
        others = Order.objects.exclude(pk=self.instance.pk)
        if number and others.filter(number=number).exists():
            self.add_error("number", _taken(number))


class OrderForm(NumberedForm):
    """A new order."""

    # The other way round than the order's own field, so that whoever sends a form
    # without it, as before there was one, still notifies.
    quietly = forms.BooleanField(
        label=gettext_lazy("Do not notify the customer"), required=False
    )

    class Meta:
        model = Order
        fields = ["number", "customer"]
        help_texts = {
            "number": gettext_lazy("Up to 8 characters; the next free one is offered.")
        }

    def save(self, commit: bool = True) -> Order:
        self.instance.notify = not self.cleaned_data["quietly"]
        return super().save(commit)


class CustomerChoice(AutocompleteSelect):
    """Chosen by typing. What names no customer, as an address may, chooses nobody."""

    def optgroups(
        self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None
    ) -> Any:
        return super().optgroups(name, list(filter(is_key, value)), attrs)


class NewOrder(DeskAdmin[Order]):
    """An order is made in one go: its number, its customer."""

    add_words = gettext_lazy("New order")
    add_form = OrderForm
    add_form_template = "admin/notifications/new_order.html"
    autocomplete_fields = ["customer"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return {"number": next_order_number(), **given}

    def formfield_for_foreignkey(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "customer":
            kwargs["widget"] = CustomerChoice(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        if obj is not None:
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": ["number", "customer", "quietly"]})]

    def get_form(
        self,
        request: HttpRequest,
        obj: Order | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[ModelForm[Order]]:
        form = super().get_form(request, obj, change, **kwargs)
        for name in {"customer", "status"} & form.base_fields.keys():
            # Beside the choice of a customer: a new one, a look, and nothing to break.
            widget = form.base_fields[name].widget
            widget.can_delete_related = widget.can_change_related = False
        if customer := form.base_fields.get("customer"):
            customer.widget.template_name = "admin/notifications/customer_choice.html"
        return form

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        try:
            response = super().add_view(request, form_url, extra_context)
        except IntegrityError:
            # The number was taken between the form's check and the insert, by a second
            # click or a second manager: check again, and say so.
            response = super().add_view(request, form_url, extra_context)
        if request.method == "POST" and response.status_code == HTTPStatus.OK:
            # It was refused.
            return self._answer_repeated(request) or response
        return response

    def _answer_repeated(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a form that was sent before: by two clicks, or by going back.

        The same number of the same customer, just made, is the same order: nothing went
        wrong, so there is no mistake to show, and no other number to be talked into.
        """
        number = request.POST.get("number", "").strip()
        customer = customer_named(request.POST.get("customer"))
        order = Order.objects.filter(
            number=storable(number),
            customer=customer,
            created_at__gte=timezone.now() - SENT_AGAIN_WITHIN,
        ).first()
        if customer is None or order is None:
            return None
        words = _("Order {number} is saved already: it was not made a second time.")
        self.message_user(request, words.format(number=order.number), messages.INFO)
        if "_addanother" in request.POST:
            return HttpResponseRedirect(request.get_full_path())
        if "_continue" in request.POST:
            page = reverse("admin:notifications_order_change", args=[order.pk])
            return HttpResponseRedirect(page)
        return self.response_post_save_add(request, order)

    def response_add(
        self, request: HttpRequest, obj: Order, post_url_continue: str | None = None
    ) -> HttpResponse:
        response = super().response_add(request, obj, post_url_continue)
        self._tell_what_was_sent(request, obj)
        return response

    def _tell_what_was_sent(self, request: HttpRequest, order: Order) -> None:
        if order.message_change is MessageChange.NONE:
            self.message_user(request, nothing_is_sent(order), messages.INFO)
        elif warning := hindrance_of(order.customer):
            self.message_user(request, warning, messages.WARNING)
        else:
            words = _("The message is on its way to the customer.")
            self.message_user(request, words, messages.SUCCESS)

    # --- what will come of it ---------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = require_safe(self.admin_site.admin_view(self.outlook_view))
        outlook = path("add/outlook/", view, name=OUTLOOK)
        return [outlook, *super().get_urls()]

    def outlook_view(self, request: HttpRequest) -> HttpResponse:
        """Answer with the part of the form's page that depends on what is filled in."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return HttpResponse(outlook(request.GET))

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Order | None = None,
    ) -> HttpResponse:
        if add:
            form = context["adminform"].form
            filled_in = {name: form[name].value() or "" for name in form.fields}
            context["outlook"] = outlook(filled_in)
            context["outlook_url"] = reverse(f"admin:{OUTLOOK}")
        return super().render_change_form(request, context, add, change, form_url, obj)


def _taken(number: str) -> str:
    words = _("There is an order {number} already.").format(number=number)
    if free := next_order_number():
        words += " " + _("The next free number is {number}.").format(number=free)
    return words
