"""What a browser may do with our pages: headers of every answer.

Django 6 brings a content security policy of its own; this is for Django 5.
"""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

# Nothing inline and nothing from elsewhere, so that a customer's name never becomes a
# script, whatever else goes wrong.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
# Nothing here needs them, so no script that got in may ask for them.
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "geolocation", "microphone", "payment", "usb")
)


class BrowserRulesMiddleware(MiddlewareMixin):
    """Adds the headers; the referrer policy is Django's SecurityMiddleware's."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        if not (settings.DEBUG and response.status_code in (404, 500)):
            # Django's own pages for developers are made of inline scripts and styles.
            response.headers.setdefault(
                "Content-Security-Policy", CONTENT_SECURITY_POLICY
            )
        return response
