"""Makes the demo's database: a manager's login, and customers who were invited."""

from django.contrib.auth import get_user_model

from bot import exit_codes
from bot.processes.preparation import prepare_database
from notifications.models import Customer

LOGIN = "manager"
# People with these names have phones in the local Telegram.
CUSTOMERS = (
    ("Анна Смирнова", "+7 916 000-00-01"),
    ("Иван Петров", "+7 916 000-00-02"),
    ("Emily Carter", "+44 7700 900004"),
)


def run() -> int:
    """Return 0 when all other parts may start."""
    code = prepare_database()
    if code == exit_codes.OK:
        get_user_model().objects.create_superuser(LOGIN, password=LOGIN)
        for name, phone in CUSTOMERS:
            Customer.objects.create(name=name, phone=phone)
    return code
