"""Can the bot write to this customer, and if not, how are they invited?"""

from dataclasses import dataclass

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from notifications.models import BotStatus, Customer

from .badge import Badge
from .moments import when


def connection_of(customer: Customer) -> Badge:
    """Return whether messages reach the customer."""
    if customer.tg_user_id is None:
        return Badge(
            tone="idle",
            words=_("Not connected"),
            more=_("Give the customer the invite: they press Start once."),
        )
    if customer.unsubscribed_at is not None:
        return Badge(
            tone="idle",
            words=_("Unsubscribed {time}").format(time=when(customer.unsubscribed_at)),
            more=_("The customer has to press Start in the bot again."),
        )
    if customer.blocked_at is not None:
        return Badge(
            tone="bad",
            words=_("Blocked the bot {time}").format(time=when(customer.blocked_at)),
            more=_("Ask the customer to unblock the bot in Telegram."),
        )
    return Badge(tone="good", words=_("Connected"))


@dataclass(frozen=True, slots=True)
class Invite:
    """How a customer connects: by the link, or by a command typed to the bot."""

    code: str
    # Empty until the bot has been started for the first time.
    bot_username: str

    @property
    def command(self) -> str:
        """What the customer may send to the bot by hand."""
        return f"/start {self.code}"

    @property
    def link(self) -> str:
        """The address that opens the bot with the code; empty when it is unknown."""
        if not self.bot_username:
            return ""
        return f"https://t.me/{self.bot_username}?start={self.code}"

    def as_html(self) -> SafeString:
        """Return the link, if there is one, and the command, easy to copy."""
        command = format_html('<code class="copyable">{}</code>', self.command)
        if not self.link:
            return format_html(
                '{} <span class="more">{}</span>',
                command,
                _("The link appears here once the bot has been started."),
            )
        return format_html(
            '<a class="copyable" href="{}">{}</a> {} {}',
            self.link,
            self.link,
            # Telegram Desktop forgets the code when the bot was started before.
            _("or, sent to the bot:"),
            command,
        )


def invite_of(customer: Customer) -> Invite:
    """Return the customer's invite to the bot of this shop."""
    return Invite(customer.invite_code, BotStatus.current().username)
