from django.db import migrations

from django_workers.operations import NotifyOnInsert


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]

    operations = [NotifyOnInsert("Parcel")]
