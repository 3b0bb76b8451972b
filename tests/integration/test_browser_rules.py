"""The headers that tell a browser what our pages may do."""

import pytest
from django.test import Client

POLICY = {
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    ["/admin/login/", "/admin/", "/nowhere/", "/static/notifications/icon.svg"],
)
def test_every_answer_forbids_what_is_inline_or_from_elsewhere(
    client: Client, address: str
) -> None:
    response = client.get(address)

    assert set(response.headers["Content-Security-Policy"].split("; ")) == POLICY
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in response.headers["Permissions-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.django_db
def test_a_developer_reads_the_pages_of_mistakes_with_their_styles(
    client: Client, settings: object
) -> None:
    settings.DEBUG = True  # type: ignore[attr-defined]  # pytest-django's wrapper

    assert "Content-Security-Policy" not in client.get("/nowhere/").headers
    assert "Content-Security-Policy" in client.get("/admin/login/").headers
