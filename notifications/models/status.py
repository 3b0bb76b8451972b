"""How far an order has come, and what its customer is told when it gets there."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from notifications.templating import CUSTOMER_NAME, ORDER_NUMBER, STATUS, check_text

# The status of every new order, whoever writes it: the database's default too. It may
# get other names and texts, but is always there.
INITIAL = "new"

LANGUAGES = ("ru", "en")

_ALWAYS_OFFERED = _("Every new order gets this status: it is always offered.")


class OrderStatus(models.Model):
    """A status of orders, with its names and texts in each language."""

    code = models.CharField(
        _("Code"),
        primary_key=True,
        max_length=32,
        validators=[
            RegexValidator(
                r"\A[a-z0-9_-]+\Z", _("Small Latin letters, digits, “-” and “_” only.")
            )
        ],
        help_text=_("For programs: it is never changed again."),
    )
    name_ru = models.CharField(_("Name in Russian"), max_length=64, blank=True)
    name_en = models.CharField(_("Name in English"), max_length=64, blank=True)
    position = models.PositiveSmallIntegerField(
        _("Position"),
        default=0,
        db_default=0,
        help_text=_("Statuses are offered in this order, the smallest first."),
    )
    is_active = models.BooleanField(
        _("Offered for orders"), default=True, db_default=True
    )
    notifies = models.BooleanField(
        _("Notify the customer"),
        default=True,
        db_default=True,
        help_text=_("When an order comes to this status."),
    )
    silent = models.BooleanField(
        _("Without a sound"),
        default=False,
        db_default=False,
        help_text=_("The message comes, but the customer's phone makes no sound."),
    )
    text_ru = models.TextField(
        _("Text in Russian"), blank=True, default="", db_default=""
    )
    text_en = models.TextField(
        _("Text in English"), blank=True, default="", db_default=""
    )

    class Meta:
        verbose_name = _("Order status")
        verbose_name_plural = _("Statuses and texts")
        ordering = ["position", "code"]
        constraints = [
            models.CheckConstraint(
                name="order_status_has_a_name",
                condition=~Q(name_ru="", name_en=""),
                violation_error_message=_("A status needs a name."),
            ),
            models.CheckConstraint(
                name="initial_status_is_active",
                condition=~Q(code=INITIAL) | Q(is_active=True),
                violation_error_message=_ALWAYS_OFFERED,
            ),
        ]

    def __str__(self) -> str:
        return self.name_in(get_language() or settings.LANGUAGE_CODE)

    @classmethod
    def initial(cls) -> "OrderStatus":
        """Return the status of new orders."""
        return cls._default_manager.get(pk=INITIAL)

    @property
    def is_initial(self) -> bool:
        """Whether it is the status of new orders."""
        return self.code == INITIAL

    def name_in(self, language: str) -> str:
        """Return the name in a language; where it has none, in another."""
        names = [getattr(self, f"name_{known}") for known in LANGUAGES]
        return getattr(self, f"name_{language}", "") or next(
            filter(None, names), self.code
        )

    def text_in(self, language: str) -> str:
        """Return the text that a manager wrote in a language; empty if none did."""
        text: str = getattr(self, f"text_{language}", "")
        return text

    def clean(self) -> None:
        super().clean()
        problems: dict[str, ValidationError] = {}
        if self.is_initial and not self.is_active:
            problems["is_active"] = ValidationError(_ALWAYS_OFFERED)
        for language in LANGUAGES:
            field = f"text_{language}"
            text = getattr(self, field).replace("\r\n", "\n").strip()
            setattr(self, field, text)
            try:
                check_text(text, self._longest_values(language))
            except ValidationError as error:
                problems[field] = error
        if problems:
            raise ValidationError(problems)

    def _longest_values(self, language: str) -> dict[str, str]:
        """Return the longest that the variables may become: emoji count twice."""
        return {
            ORDER_NUMBER: "🌸" * 8,
            CUSTOMER_NAME: "🌸" * 200,
            STATUS: self.name_in(language),
        }

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete a status that no order has.

        Raises:
            ProtectedError: an order has it, or it is the status of new orders.
        """
        if self.is_initial:
            raise models.ProtectedError("The status of new orders is needed.", {self})
        return super().delete(*args, **kwargs)
