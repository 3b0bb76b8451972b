"""Customers: who they are, whether messages reach them, and how they are invited."""

from django.contrib import admin

from notifications.models import Customer

from .customer_cards import CustomerCards
from .customer_merging import CustomerMerging
from .customer_page import CustomerPage


@admin.register(Customer)
class CustomerAdmin(CustomerCards, CustomerMerging, CustomerPage):
    """Everything that a manager does with customers."""
