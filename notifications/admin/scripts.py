"""Which scripts every form and list of the desk loads: no more than it uses."""

from django.conf import settings
from django.forms import Media

_MINIFIED = "" if settings.DEBUG else ".min"


class FewScripts:
    """Mixed into an admin before ModelAdmin.

    Django's own list has more: scripts that fill in one field from another, which none
    of ours does, and the alphabets that they know weigh as much as all of the rest.
    """

    @property
    def media(self) -> Media:
        return Media(
            js=[
                f"admin/js/vendor/jquery/jquery{_MINIFIED}.js",
                "admin/js/jquery.init.js",
                "admin/js/core.js",
                "admin/js/admin/RelatedObjectLookups.js",
                "admin/js/actions.js",
                "notifications/naming.js",
            ]
        )
