"""Django's classes that take their model in brackets for the type checker alone."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
    from django.core.paginator import Page, Paginator
    from django.forms import ModelForm
else:
    from django import forms
    from django.contrib import admin
    from django.core import paginator

    class _Bracketed:
        def __class_getitem__(cls, _model):
            return cls

    class ModelAdmin(_Bracketed, admin.ModelAdmin):
        pass

    class ModelForm(_Bracketed, forms.ModelForm):
        pass

    class Page(_Bracketed, paginator.Page):
        pass

    class Paginator(_Bracketed, paginator.Paginator):
        pass


__all__ = ["ModelAdmin", "ModelForm", "Page", "Paginator"]
