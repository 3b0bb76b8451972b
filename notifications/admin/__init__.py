"""The manager's desk: orders, their customers, and what became of each message."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_workers.admin import QueueAdmin

from .customer import CustomerAdmin
from .failures import failures_panel
from .notification import OrderNotificationAdmin
from .order import OrderAdmin
from .people import PersonAdmin, RoleAdmin
from .sending import sending_panel
from .status import OrderStatusAdmin

__all__ = [
    "CustomerAdmin",
    "OrderAdmin",
    "OrderNotificationAdmin",
    "OrderStatusAdmin",
    "PersonAdmin",
    "RoleAdmin",
]

QueueAdmin.panels += [sending_panel, failures_panel]
admin.site.site_header = _("Orders and messages")
admin.site.site_title = _("Shop")
admin.site.index_title = _("The manager's desk")
# There is no other site to view: its address leads back here.
admin.site.site_url = None
