"""Statuses and texts: what each status is called, and what customers read of it."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.messages import text_about
from notifications.models import Customer, OrderStatus
from notifications.models.status import LANGUAGES
from notifications.templating import LONGEST_MESSAGE, VARIABLES, telegram_length

from .badge import Badge
from .desk import DeskAdmin
from .typed import ModelForm

SHOW_EXAMPLE = "_example"
_EXAMPLES = {"ru": ("1042", "Анна Смирнова"), "en": ("1042", "Anna Smith")}
_TEXT_HELP = gettext_lazy(
    "Variables: {variables}. Empty: the default text in the shop's language, see the "
    "example."
)


class StatusForm(ModelForm[OrderStatus]):
    """A status. The model says what is wrong with a text."""

    class Meta:
        model = OrderStatus
        fields = [
            "code",
            "name_ru",
            "name_en",
            "position",
            "is_active",
            "notifies",
            "silent",
            "text_ru",
            "text_en",
        ]
        widgets = {
            f"text_{language}": forms.Textarea(
                {"rows": 5, "cols": 60, "lang": language, "class": "vLargeTextField"}
            )
            for language in LANGUAGES
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        variables = ", ".join(f"{{{name}}}" for name in VARIABLES)
        for language in LANGUAGES:
            if field := self.fields.get(f"text_{language}"):
                field.help_text = _TEXT_HELP.format(variables=variables)

    def is_valid(self) -> bool:
        """Hold back a form that only asks for the example: it comes back as typed."""
        return super().is_valid() and SHOW_EXAMPLE not in self.data


@admin.register(OrderStatus)
class OrderStatusAdmin(DeskAdmin[OrderStatus]):
    """One page per status: few lists are as short."""

    add_words = gettext_lazy("New status")
    form = StatusForm
    change_form_template = "admin/notifications/status.html"
    list_display = ["name", "position", "tells", "excerpt"]
    ordering = ["position", "code"]
    sortable_by = ()

    @admin.display(description=gettext_lazy("Status"))
    def name(self, status: OrderStatus) -> str:
        return str(status)

    @admin.display(description=gettext_lazy("Message"))
    def tells(self, status: OrderStatus) -> SafeString:
        if not status.is_active:
            return Badge(tone="idle", words=_("Not offered")).label()
        if not status.notifies:
            return Badge(tone="idle", words=_("Notifies nobody")).label()
        words = _("Notifies without a sound") if status.silent else _("Notifies")
        return Badge(tone="good", words=words).label()

    @admin.display(description=gettext_lazy("Text"))
    def excerpt(self, status: OrderStatus) -> str:
        if not status.notifies:
            return ""
        return Truncator(Example(status, settings.LANGUAGE_CODE).text).chars(80)

    def get_fieldsets(
        self, request: HttpRequest, obj: OrderStatus | None = None
    ) -> Any:
        return [
            (None, {"fields": ["name_ru", "name_en", "code", "position", "is_active"]}),
            (_("Message"), {"fields": ["notifies", "silent", "text_ru", "text_en"]}),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: OrderStatus | None = None
    ) -> list[str]:
        return [] if obj is None else ["code"]

    def has_delete_permission(
        self, request: HttpRequest, obj: OrderStatus | None = None
    ) -> bool:
        if obj is not None and obj.is_initial:
            return False
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: OrderStatus | None = None,
    ) -> HttpResponse:
        # The form's own, with what was typed and is not saved yet.
        status = context["adminform"].form.instance
        context["examples"] = [Example(status, language) for language in LANGUAGES]
        context["show_example"] = SHOW_EXAMPLE
        return super().render_change_form(request, context, add, change, form_url, obj)


class Example:
    """What a customer of one language would read."""

    def __init__(self, status: OrderStatus, language: str) -> None:
        number, name = _EXAMPLES[language]
        reader = Customer(name=name, language=language)
        self.language = language
        self.text = text_about(number, status, reader)
        self.length = telegram_length(self.text)
        self.limit = LONGEST_MESSAGE
