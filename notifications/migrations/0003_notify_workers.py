from django.db import migrations

from django_workers.operations import NotifyOnInsert


class Migration(migrations.Migration):
    dependencies = [("notifications", "0002_order_number_by_length")]

    operations = [NotifyOnInsert("OrderNotification")]
