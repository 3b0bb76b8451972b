from django.db import migrations

from notifications.models.search_words import words_of

BATCH = 1_000


def index_customers(apps, schema_editor):
    customers = apps.get_model("notifications", "Customer").objects
    words = apps.get_model("notifications", "CustomerWord").objects
    using = schema_editor.connection.alias
    last = 0
    while batch := list(customers.using(using).filter(pk__gt=last).order_by("pk")[:BATCH]):
        words.using(using).bulk_create(
            words.model(customer_id=customer.pk, word=word)
            for customer in batch
            for word in words_of(customer.name, customer.phone, customer.tg_username)
        )
        last = batch[-1].pk


class Migration(migrations.Migration):
    dependencies = [("notifications", "0009_customer_words")]

    operations = [
        migrations.RunPython(index_customers, migrations.RunPython.noop, elidable=True)
    ]
