"""In which language the admin speaks: the shop's, until a person switches."""

from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware


class ShopLanguageMiddleware(LocaleMiddleware):
    """Follow the switch in the header, else LANGUAGE_CODE; never the browser.

    A Russian shop's manager often has a browser that was installed in English.
    """

    def process_request(self, request: HttpRequest) -> None:
        request.META.pop("HTTP_ACCEPT_LANGUAGE", None)
        super().process_request(request)
