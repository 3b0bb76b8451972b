"""Puts the dashboard on the first page of the admin."""

from typing import Any

from django import template
from django.http import HttpRequest

from notifications.admin.dashboard import describe, may_see

register = template.Library()


@register.simple_tag(takes_context=True)
def dashboard(context: template.Context) -> dict[str, Any] | None:
    """Return what the dashboard shows; None for who may not see it."""
    request: HttpRequest = context["request"]
    return describe(request) if may_see(request) else None
