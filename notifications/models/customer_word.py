"""The words by which customers are found, one row each: see `search_words`."""

from collections.abc import Collection
from itertools import islice
from typing import TYPE_CHECKING

from django.db import models

from .search_words import LONGEST, words_of

if TYPE_CHECKING:
    from .customer import Customer

_BATCH = 500


class CustomerWord(models.Model):
    """A word of a customer's name, phone or username."""

    customer = models.ForeignKey(
        "notifications.Customer",
        on_delete=models.CASCADE,
        related_name="words",
        db_index=False,
    )
    word = models.CharField(max_length=LONGEST)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="customer_word_once", fields=["customer", "word"]
            )
        ]
        indexes = [
            models.Index(
                name="customer_by_word",
                fields=["word", "customer"],
                # PostgreSQL looks for beginnings by it, whatever its language.
                opclasses=["varchar_pattern_ops", "int8_ops"],
            )
        ]

    def __str__(self) -> str:
        return self.word

    @classmethod
    def index(cls, customers: "Collection[Customer]", *, using: str) -> None:
        """Make the words of these customers those of their present names and phones."""
        several = iter(customers)
        while batch := list(islice(several, _BATCH)):
            _index(batch, using=using)


def _index(customers: "list[Customer]", *, using: str) -> None:
    wanted = {
        (customer.pk, word)
        for customer in customers
        for word in words_of(customer.name, customer.phone, customer.tg_username)
    }
    words = CustomerWord.objects.using(using)
    known = words.filter(customer__in=[customer.pk for customer in customers])
    rows = {(row.customer_id, row.word): row.pk for row in known}
    if gone := [pk for key, pk in rows.items() if key not in wanted]:
        words.filter(pk__in=gone).delete()
    new = sorted(wanted - rows.keys())
    words.bulk_create(
        (CustomerWord(customer_id=customer, word=word) for customer, word in new),
        # Another save of the same customer may be writing them at this moment.
        ignore_conflicts=True,
    )
