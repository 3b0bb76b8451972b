"""What keeps messages or the bot's answers from the customers, in a manager's words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_workers.models import Queue
from notifications.models import BotStatus
from notifications.reasons import explain

from .moments import when

# The bot writes its status at least every 30 s.
BOT_SILENT_AFTER = timedelta(seconds=60)
# A long poll ends after 10 s: without trouble one succeeds every few seconds.
POLL_SILENT_AFTER = timedelta(seconds=120)
OVERDUE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A trouble: what it is, what follows from it, and what to do about it."""

    # Two parts of the product may tell of the same trouble.
    code: str
    tone: Literal["bad", "late"]
    title: str
    text: str


_BOT: dict[str, tuple[str | Promise, str | Promise]] = {
    "conflict": (
        gettext_lazy("Two programs answer customers with the same bot"),
        gettext_lazy(
            "Customers are answered by one or the other, and presses of Start get "
            "lost. Tell your administrator: one of the two has to be stopped."
        ),
    ),
    "webhook": (
        gettext_lazy("The bot does not hear its customers"),
        gettext_lazy(
            "Its messages go to another program (a webhook is set). Tell your "
            "administrator: restarting the bot removes it."
        ),
    ),
    "token_rejected": (
        gettext_lazy("Telegram does not recognise the shop's bot"),
        gettext_lazy(
            "Its token is wrong or has been revoked. Customers are not answered and "
            "nothing is sent until your administrator enters the right token."
        ),
    ),
    "unreachable": (
        gettext_lazy("There is no connection to Telegram"),
        gettext_lazy(
            "Customers are not answered and nothing is sent. It continues by itself "
            "when the connection is back; if it takes long, tell your administrator."
        ),
    ),
    "not_telegram": (
        gettext_lazy("Somebody else answers in place of Telegram"),
        gettext_lazy(
            "It may be a provider, a filter or a wrong address in the settings. "
            "Tell your administrator."
        ),
    ),
    "flood": (
        gettext_lazy("Telegram asked the bot to wait"),
        gettext_lazy(
            "Customers are answered when the wait is over. There is nothing to do."
        ),
    ),
    "": (
        gettext_lazy("The bot gets no answers from Telegram"),
        gettext_lazy("Customers are not answered. Tell your administrator."),
    ),
}
# It ends by itself, and soon.
_MINOR = frozenset({"flood"})


def find_troubles(
    *,
    bot: BotStatus,
    queue: Queue,
    live_workers: int,
    due_since: datetime | None,
    now: datetime,
) -> list[Trouble]:
    """Return what is wrong, the worst first; each trouble once."""
    found = [
        *_of_sending(queue, live_workers, due_since, now),
        *_of_the_bot(bot, timezone.now()),
    ]
    by_code: dict[str, Trouble] = {}
    for trouble in found:
        by_code.setdefault(trouble.code, trouble)
    return sorted(by_code.values(), key=lambda trouble: trouble.tone != "bad")


def _of_sending(
    queue: Queue, live_workers: int, due_since: datetime | None, now: datetime
) -> Iterator[Trouble]:
    if live_workers == 0:
        yield Trouble(
            code="no_worker",
            tone="bad",
            title=_("Messages are not being sent: the sending program is not running"),
            text=_(
                "Messages wait, none is lost, and they go out by themselves when it "
                "runs again. Tell your administrator: python -m bot starts it."
            ),
        )
    if queue.stopped_at is not None:
        yield _stopped(queue, queue.stopped_at)
    if queue.paused_until is not None:
        yield _paused(queue.pause_reason, queue.paused_until, now)
    is_working = live_workers and queue.stopped_at is None and not queue.paused_until
    if is_working and due_since is not None and now - due_since > OVERDUE_AFTER:
        yield Trouble(
            code="overdue",
            tone="late",
            title=_("Messages go out late"),
            text=_(
                "There are more of them than Telegram takes at once. They go out by "
                "themselves, in their order; there is nothing to do."
            ),
        )


def _stopped(queue: Queue, stopped_at: datetime) -> Trouble:
    text = _("Messages wait and go out when somebody resumes sending.")
    reason = queue.stop_reason
    if reason and reason[-1] not in ".!?…":
        reason += "."
    return Trouble(
        code="stopped",
        tone="late",
        title=_("Sending was paused by {person} at {time}").format(
            person=queue.stopped_by or "–", time=when(stopped_at)
        ),
        text=f"{reason} {text}".strip(),
    )


def _paused(reason_code: str, until: datetime, now: datetime) -> Trouble:
    if reason_code in _BOT:
        title, text = map(str, _BOT[reason_code])
    else:
        title, text = _("Sending is paused"), explain(reason_code)
    if reason_code == "flood":
        title, text = _("Telegram asked to wait"), explain(reason_code)
    if until > now:
        again = _("The next try is at {time}.").format(time=when(until, seconds=True))
    else:
        again = _("It is being tried right now.")
    tone: Literal["bad", "late"] = "late" if reason_code in _MINOR else "bad"
    return Trouble(code=reason_code, tone=tone, title=title, text=f"{text} {again}")


def _of_the_bot(bot: BotStatus, now: datetime) -> Iterator[Trouble]:
    if bot._state.adding or now - bot.updated_at > BOT_SILENT_AFTER:
        text = _(
            "Customers who press Start get no answer. Tell your administrator: "
            "python -m bot starts it."
        )
        if bot.last_poll_at is not None:
            since = _("It last worked at {time}.").format(time=when(bot.last_poll_at))
            text = f"{since} {text}"
        title = _("The bot does not answer customers: its program is not running")
        yield Trouble(code="no_bot", tone="bad", title=title, text=text)
        return
    is_silent = (
        bot.last_poll_at is not None and now - bot.last_poll_at > POLL_SILENT_AFTER
    )
    if bot.last_error_code or bot.last_error or is_silent:
        title_, text_ = _BOT.get(bot.last_error_code, _BOT[""])
        yield Trouble(
            code=bot.last_error_code or "silent_bot",
            tone="late" if bot.last_error_code in _MINOR else "bad",
            title=str(title_),
            text=str(text_),
        )
