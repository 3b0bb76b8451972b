"""Orders at the desk: a list, a page for each, and the form of a new one."""

from django.contrib import admin

from notifications.models import Order

from .new_order import NewOrder
from .order_import import OrderImporting
from .order_page import OrderPage
from .status_actions import StatusActions


@admin.register(Order)
class OrderAdmin(OrderImporting, NewOrder, StatusActions, OrderPage):
    """Put together from the files that answer one question each."""
