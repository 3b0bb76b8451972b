"""Do messages reach a customer? The four answers, as conditions on their rows."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Connection(models.TextChoices):
    """Every customer is in exactly one of these states."""

    CONNECTED = "connected", _("Connected")
    NOT_CONNECTED = "not_connected", _("Not connected")
    BLOCKED = "blocked", _("Blocked the bot")
    UNSUBSCRIBED = "unsubscribed", _("Unsubscribed")


# Who said /stop and blocked the bot, too, has to press Start: that is what is said.
CONNECTION_IS: dict[str, Q] = {
    Connection.CONNECTED: Q(
        tg_user_id__isnull=False, unsubscribed_at=None, blocked_at=None
    ),
    Connection.NOT_CONNECTED: Q(tg_user_id=None),
    Connection.BLOCKED: Q(
        tg_user_id__isnull=False, unsubscribed_at=None, blocked_at__isnull=False
    ),
    Connection.UNSUBSCRIBED: Q(tg_user_id__isnull=False, unsubscribed_at__isnull=False),
}
