"""The admin speaks the shop's language until a person switches."""

import pytest


@pytest.mark.django_db
def test_an_english_browser_does_not_change_the_shop_s_language(client):
    page = client.get("/admin/login/", headers={"accept-language": "en-US,en;q=0.9"})

    assert '<html lang="ru"' in page.content.decode()


@pytest.mark.django_db
def test_the_switch_in_the_header_lasts(client):
    client.post("/i18n/setlang/", {"language": "en", "next": "/admin/login/"})

    page = client.get("/admin/login/")

    assert '<html lang="en"' in page.content.decode()
