"""Who may log in: Django's own pages, with no more scripts than they use."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, SetUnusablePasswordMixin
from django.contrib.auth.models import Group, User
from django.utils.html import format_html
from django.utils.translation import gettext as _

from .scripts import FewScripts

admin.site.unregister([User, Group])


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # not at run time
    """Explains itself in the reader's language.

    Django joins these sentences once, in the language of the start, and leaves the
    second one in English.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if field := self.fields.get("usable_password"):
            field.help_text = format_html(
                '{}<ul id="id_unusable_warning" class="messagelist">'
                '<li class="warning">{}</li></ul>',
                SetUnusablePasswordMixin.usable_password_help_text,
                _("If disabled, the current password for this user will be lost."),
            )


@admin.register(User)
class PersonAdmin(FewScripts, UserAdmin):  # type: ignore[type-arg]  # not at run time
    change_password_form = PasswordForm


@admin.register(Group)
class RoleAdmin(FewScripts, GroupAdmin):
    pass
