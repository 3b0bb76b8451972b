"""Which page answers which address: the admin, and the language switch."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from notifications.admin import dashboard

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/dashboard/", dashboard.view, name="dashboard"),
    path("admin/", admin.site.urls),
]
