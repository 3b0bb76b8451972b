"""Customers, orders, notifications, attempts to deliver them, the bot's status."""

from .attempt import DeliveryAttempt
from .bot_status import BotStatus
from .customer import Customer
from .notification import OrderNotification, Parked
from .order import Order

__all__ = [
    "BotStatus",
    "Customer",
    "DeliveryAttempt",
    "Order",
    "OrderNotification",
    "Parked",
]
