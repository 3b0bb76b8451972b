"""The admin speaks the shop's language until a person switches."""

import re
from html import unescape
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Field, Model
from django.test import Client
from django.urls import reverse
from django.utils.text import camel_case_to_spaces
from django.utils.translation import override

from notifications.admin.desk import DeskAdmin
from tests.support.shop import page, superuser


@pytest.mark.django_db
def test_an_english_browser_does_not_change_the_shop_s_language(client):
    page = client.get("/admin/login/", headers={"accept-language": "en-US,en;q=0.9"})

    assert '<html lang="ru"' in page.content.decode()


@pytest.mark.django_db
def test_the_switch_in_the_header_lasts(client):
    client.post("/i18n/setlang/", {"language": "en", "next": "/admin/login/"})

    page = client.get("/admin/login/")

    assert '<html lang="en"' in page.content.decode()


def words_of(model: type[Model]) -> dict[str, str]:
    """Return what people read of a model, in the language of now, by where it is."""
    words: dict[str, Any] = {}
    if model._meta.verbose_name != camel_case_to_spaces(model.__name__):
        words["name"] = model._meta.verbose_name
        words["plural"] = model._meta.verbose_name_plural
    for field in model._meta.get_fields():
        if not isinstance(field, Field) or is_internal(field):
            continue
        words[field.name] = field.verbose_name
        if field.help_text:
            words[f"{field.name}, help"] = field.help_text
        for value, choice in field.choices or ():
            words[f"{field.name}={value}"] = choice
    return {where: str(text) for where, text in words.items()}


def is_internal(field: "Field[Any, Any]") -> bool:
    """Tell whether nobody has given it a name, because it is in no form."""
    if field.primary_key:
        return True
    has_form = isinstance(admin.site._registry.get(field.model), DeskAdmin)
    is_filled_in = field.editable and has_form
    return field.verbose_name == field.name.replace("_", " ") and not is_filled_in


@pytest.mark.parametrize(
    "model",
    [
        model
        for app in ("notifications", "django_workers")
        for model in apps.get_app_config(app).get_models()
    ],
    ids=lambda model: model._meta.label,
)
def test_everything_that_a_model_is_called_is_translated(model: type[Model]) -> None:
    with override("ru"):
        russian = words_of(model)
    with override("en"):
        english = words_of(model)

    cyrillic = re.compile("[а-яё]", re.IGNORECASE)
    if admin.site.is_registered(model):
        assert "name" in russian
    assert {w: text for w, text in russian.items() if not cyrillic.search(text)} == {}
    assert {w: text for w, text in english.items() if cyrillic.search(text)} == {}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "foreign"),
    [("en", "[А-Яа-яЁё]{2,}"), ("ru", r"\b(will|the|password)\b")],
)
def test_the_page_of_a_password_is_in_one_language(
    client: Client, language: str, foreign: str
) -> None:
    user = superuser()
    client.force_login(user)
    client.cookies["django_language"] = language

    html = page(client, reverse("admin:auth_user_password_change", args=[user.pk]))

    main = html.partition('<main id="content-start"')[2].partition("</main>")[0]
    assert re.findall(foreign, re.sub("<[^>]*>", " ", unescape(main))) == []
