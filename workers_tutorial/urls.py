"""Which page answers which address: the admin, the language switch, and mistakes."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from notifications.admin import dashboard, error_pages

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/dashboard/", dashboard.view, name="dashboard"),
    path("admin/", admin.site.urls),
]

handler400 = error_pages.bad_request
handler403 = error_pages.forbidden
handler404 = error_pages.not_found
handler500 = error_pages.server_error
