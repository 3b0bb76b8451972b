"""How does a customer connect? By a link, its QR code, or a command for the bot."""

from dataclasses import dataclass

import segno
from django.conf import settings
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from notifications.models import BotStatus, Customer


@dataclass(frozen=True, slots=True)
class Invite:
    """A customer's own way into the bot."""

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
        return f"{settings.TG_LINK_URL}/{self.bot_username}?start={self.code}"

    @property
    def qr(self) -> SafeString:
        """The link as a picture for a phone's camera.

        Raises:
            ValueError: there is no link yet.
        """
        if not self.link:
            raise ValueError("The bot was never started: there is no link to draw.")
        code = segno.make(self.link, micro=False, error="m")
        # Light around and under it: cameras do not read it on a dark page.
        svg = code.svg_inline(border=3, dark="#000", light="#fff", omitsize=True)
        return format_html(
            '<span class="qr" role="img" aria-label="{}">{}</span>',
            _("QR code of the invite: it opens the link {link}").format(link=self.link),
            mark_safe(svg),  # noqa: S308 - drawn just now, of numbers only
        )

    def as_html(self) -> SafeString:
        """Return the link and the command in a line, easy to copy."""
        return self._render("invite_line.html")

    def with_qr(self) -> SafeString:
        """Return all of it: the QR code, the link and the command."""
        return self._render("invite.html")

    def _render(self, template: str) -> SafeString:
        html = render_to_string(f"admin/notifications/{template}", {"invite": self})
        return mark_safe(html.strip())  # noqa: S308 - a template's output


def invite_of(customer: Customer) -> Invite:
    """Return the customer's invite to the bot of this shop."""
    return Invite(customer.invite_code, BotStatus.current().username)
