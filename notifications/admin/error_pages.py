"""What somebody reads where there is no page for them: what happened, and what to do.

Django's own such pages are in English, or bare, or styled against our policy.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.csrf import requires_csrf_token


@requires_csrf_token
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    return _page(
        request,
        status=404,
        title=_("There is no such page"),
        words=_("The address is wrong, or what was there has been deleted."),
    )


@requires_csrf_token
def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403 to who may not."""
    return _page(
        request,
        status=403,
        title=_("This page is not for you"),
        words=_(
            "Your login has no right to it. Whoever runs the shop's admin can give it "
            "to you, or you log in as somebody else."
        ),
    )


@requires_csrf_token
def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form that is not, or no longer, of this login."""
    came_from = request.headers.get("referer", "")
    is_ours = url_has_allowed_host_and_scheme(
        came_from, {request.get_host()}, require_https=request.is_secure()
    )
    return _page(
        request,
        status=403,
        title=_("The page is out of date"),
        words=_(
            "Nothing was saved. Most likely somebody logged in or out here since the "
            "page was opened: open it anew and try again. If this does not help, the "
            "browser keeps no cookies of this site, or CSRF_TRUSTED_ORIGINS lacks its "
            "address."
        ),
        back=came_from if is_ours else "",
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400; whoever is there is not known yet."""
    words = _(
        "The browser sent what the admin cannot read. If no page opens, ALLOWED_HOSTS "
        "lacks the address that you see in the browser."
    )
    return _bare_page(status=400, title=_("The request was not accepted"), words=words)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500; not even the database is asked."""
    words = _(
        "It was written to the log of the server. Wait a minute, and before you repeat "
        "what you did, look whether it was done after all."
    )
    return _bare_page(status=500, title=_("Something broke on our side"), words=words)


class ButtonsOnlyMiddleware(MiddlewareMixin):
    """Says in words that an address is that of a button, where Django says nothing.

    Whoever had to log in after pressing one is led there.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not isinstance(response, HttpResponseNotAllowed) or response.content:
            return response
        words = _(
            "This address belongs to a button. Press the button again on its page: if "
            "you had to log in, what you pressed before was not done."
        )
        page = _page(request, status=405, title=_("Nothing was done"), words=words)
        response.content = page.content
        return response


def _page(request: HttpRequest, *, status: int, **context: str) -> HttpResponse:
    """Return a page in the admin's frame, as far as this person knows it."""
    user = getattr(request, "user", None)
    if user is None:
        return _bare_page(status=status, **context)
    frame: dict[str, Any] = admin.site.each_context(request)
    frame["is_nav_sidebar_enabled"] &= frame["has_permission"]
    return _answer(status, frame | context, request)


def _bare_page(*, status: int, **context: str) -> HttpResponse:
    site = {"site_header": admin.site.site_header, "site_title": admin.site.site_title}
    return _answer(status, site | context, None)


def _answer(
    status: int, context: dict[str, Any], request: HttpRequest | None
) -> HttpResponse:
    html = render_to_string("admin/notifications/error.html", context, request)
    return HttpResponse(html, status=status)
