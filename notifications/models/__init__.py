"""Customers, orders, notifications, attempts to deliver them, the bot's status."""

from .attempt import DeliveryAttempt
from .bot_status import BotStatus
from .connection import CONNECTION_IS, Connection
from .customer import Customer
from .customer_word import CustomerWord
from .notification import OrderNotification, Parked
from .order import Order, StaleOrder
from .order_import import OrderImport
from .past_invite import PastInvite
from .status import OrderStatus
from .telling import MessageChange

__all__ = [
    "CONNECTION_IS",
    "BotStatus",
    "Connection",
    "Customer",
    "CustomerWord",
    "DeliveryAttempt",
    "MessageChange",
    "Order",
    "OrderImport",
    "OrderNotification",
    "OrderStatus",
    "Parked",
    "PastInvite",
    "StaleOrder",
]
