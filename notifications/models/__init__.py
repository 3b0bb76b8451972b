"""Customers, orders, order notifications and the attempts to deliver them."""

from .attempt import DeliveryAttempt
from .customer import Customer
from .notification import OrderNotification
from .order import Order

__all__ = ["Customer", "DeliveryAttempt", "Order", "OrderNotification"]
