"""Serves CSS, scripts and pictures under ASGI, straight from the installed packages."""

from contextlib import closing

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import (  # type: ignore[import-untyped]  # has no types
    WhiteNoiseMiddleware,
)
from whitenoise.responders import (  # type: ignore[import-untyped]  # has no types
    StaticFile,
)


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # no types
    """WhiteNoise, answering with whole files.

    It would stream them synchronously, which Django under ASGI does with a warning, by
    reading all of a file first anyway. Ours are small.
    """

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        body = b""
        if found.file is not None:
            with closing(found.file) as file:
                body = file.read()
        response = HttpResponse(body, status=int(found.status))
        del response["Content-Type"]  # WhiteNoise brings the right one
        for name, value in found.headers:
            response[name] = value
        return response
