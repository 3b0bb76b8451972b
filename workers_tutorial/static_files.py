"""Serves CSS, scripts and pictures under ASGI, straight from the installed packages."""

import gzip
import re
from contextlib import closing
from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from whitenoise.middleware import (  # type: ignore[import-untyped]  # has no types
    WhiteNoiseMiddleware,
)
from whitenoise.responders import (  # type: ignore[import-untyped]  # has no types
    StaticFile,
)

# Pictures other than SVG are compressed already.
_IS_TEXT = re.compile(r"text/|application/(?:json|javascript)|image/svg\+xml")
_TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))")


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # no types
    """WhiteNoise, answering with whole files, compressed.

    It would stream them synchronously, which Django under ASGI does with a warning, by
    reading all of a file first anyway; and it compresses only what was collected into
    a folder. Ours are small. They are the same for everybody: nothing secret can be
    guessed from how well they compress, as it can from pages, which stay as they are.
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
        # On all of them: "not modified" does not say what kind of file it is.
        patch_vary_headers(response, ["Accept-Encoding"])
        if _may_be_compressed(response) and _TAKES_GZIP.search(
            request.headers.get("Accept-Encoding", "")
        ):
            response.content = _gzip(response.content)
            response["Content-Encoding"] = "gzip"
            response["Content-Length"] = str(len(response.content))
        return response


def _may_be_compressed(response: HttpResponse) -> bool:
    is_whole = response.status_code == 200 and bool(response.content)
    is_text = _IS_TEXT.match(response.get("Content-Type", "")) is not None
    return is_whole and is_text and "Content-Encoding" not in response


@lru_cache(maxsize=256)
def _gzip(content: bytes) -> bytes:
    """Compress once what is asked for on every page; the same bytes each time."""
    return gzip.compress(content, mtime=0)
