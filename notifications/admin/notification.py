"""Order notifications: each message and its attempts; a bare one may be added."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.models import OrderNotification

from .dates import CreatedFilter
from .delivery import of_notification, what_happened
from .delivery_export import DeliveryExport
from .facts import with_facts
from .filters import NotificationStateFilter
from .message_filters import DeliveredFilter, ReasonFilter
from .moments import when
from .retrying import RetryAdmin
from .searching import notifications_matching
from .timeline import timeline
from .typed import ModelForm


class BareNotificationForm(ModelForm[OrderNotification]):
    """A notification without an order: a number, and a chat that pressed Start."""

    class Meta:
        model = OrderNotification
        fields = ["order_number", "tg_user_id"]
        help_texts = {
            "order_number": gettext_lazy("Up to 8 characters."),
            "tg_user_id": gettext_lazy(
                "A number. Whoever it belongs to must have pressed Start in the bot."
            ),
        }

    def clean_tg_user_id(self) -> int:
        tg_user_id: int = self.cleaned_data["tg_user_id"]
        if tg_user_id <= 0:
            raise ValidationError(_("The ID of a user is a number above zero."))
        return tg_user_id

    def clean(self) -> dict[str, Any] | None:
        if not self.errors:
            waiting = OrderNotification.objects.unfinished().filter(
                order_number=self.cleaned_data["order_number"],
                tg_user_id=self.cleaned_data["tg_user_id"],
            )
            if waiting.exists():
                words = _("The same message to this user is waiting already.")
                raise ValidationError(words)
        return super().clean()


@admin.register(OrderNotification)
class OrderNotificationAdmin(DeliveryExport, RetryAdmin[OrderNotification]):
    add_words = gettext_lazy("New message without an order")
    add_form = BareNotificationForm
    list_display = [
        "order_number",
        "tg_user_id",
        "state",
        "last_error_words",
        "failed_attempts_number",
        "created",
        "delivered",
    ]
    list_filter = [
        NotificationStateFilter,
        ReasonFilter,
        DeliveredFilter,
        CreatedFilter,
    ]
    search_fields = ["order_number"]
    search_help_text = gettext_lazy("Order number or Telegram user ID")
    ordering = ["-pk"]
    # What has an index to be sorted by.
    sortable_by = ["created"]

    # --- what is read -----------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderNotification]:
        return with_facts(super().get_queryset(request)).select_related("order")

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[OrderNotification],
        search_term: str,
    ) -> tuple[QuerySet[OrderNotification], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(notifications_matching(search_term.strip())), False

    # --- columns and fields -----------------------------------------------------------

    @admin.display(description=gettext_lazy("State"))
    def state(self, notification: OrderNotification) -> SafeString:
        # The time has a column of its own.
        return of_notification(notification, with_time=False).label()

    @admin.display(description=gettext_lazy("State"))
    def state_and_reason(self, notification: OrderNotification) -> SafeString:
        return of_notification(notification).with_more()

    @admin.display(description=gettext_lazy("State"))
    def state_and_retry(self, notification: OrderNotification) -> SafeString:
        badge = self.state_and_reason(notification)
        if notification.is_given_up:
            return format_html("{} {}", badge, self.retry_button(notification.pk))
        return badge

    @admin.display(description=gettext_lazy("Created"), ordering="pk")
    def created(self, notification: OrderNotification) -> str:
        return when(notification.created_at)

    @admin.display(description=gettext_lazy("Delivered"))
    def delivered(self, notification: OrderNotification) -> str | None:
        moment = notification.processed_at
        return None if moment is None else when(moment)

    @admin.display(description=gettext_lazy("Last error"))
    def last_error_words(self, notification: OrderNotification) -> str | None:
        reason = what_happened(notification.last_error_code, notification.last_error)
        return reason or None

    @admin.display(description=gettext_lazy("Order"))
    def order_link(self, notification: OrderNotification) -> SafeString | None:
        if notification.order is None:
            return None
        address = reverse(
            "admin:notifications_order_change", args=[notification.order.pk]
        )
        return format_html('<a href="{}">{}</a>', address, notification.order)

    @admin.display(description=gettext_lazy("Text"))
    def text(self, notification: OrderNotification) -> SafeString:
        return format_html(
            '<span class="message-text">{}</span>',
            notification.message,
        )

    @admin.display(description=gettext_lazy("What happened"))
    def history(self, notification: OrderNotification) -> SafeString:
        return timeline(notification)

    # --- the page ---------------------------------------------------------------------

    def get_fieldsets(
        self, request: HttpRequest, obj: OrderNotification | None = None
    ) -> Any:
        if obj is None:
            return [(None, {"fields": ["order_number", "tg_user_id"]})]
        facts = ["order_number", "tg_user_id", "failed_attempts_number", "created"]
        may_retry = self.has_change_permission(request, obj)
        state = "state_and_retry" if may_retry else "state_and_reason"
        if obj.order is not None:
            facts.insert(0, "order_link")
        return [
            (None, {"fields": facts}),
            (_("Message"), {"fields": [state, "text", "history"]}),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: OrderNotification | None = None
    ) -> list[str]:
        if obj is None:
            return []
        return [
            "order_link",
            "order_number",
            "tg_user_id",
            "failed_attempts_number",
            "created",
            "state_and_reason",
            "state_and_retry",
            "text",
            "history",
        ]

    def response_add(
        self,
        request: HttpRequest,
        obj: OrderNotification,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        response = super().response_add(request, obj, post_url_continue)
        words = _("The message is on its way to the customer.")
        self.message_user(request, words, messages.SUCCESS)
        return response
