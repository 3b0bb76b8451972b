"""Who may log in: Django's own pages, with no more scripts than they use."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User

from .scripts import FewScripts

admin.site.unregister([User, Group])


@admin.register(User)
class PersonAdmin(FewScripts, UserAdmin):  # type: ignore[type-arg]  # not at run time
    pass


@admin.register(Group)
class RoleAdmin(FewScripts, GroupAdmin):
    pass
