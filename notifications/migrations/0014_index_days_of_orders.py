from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("notifications", "0013_managers_write_texts")]

    operations = [
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["created_at", "id"], name="order_by_day"),
        ),
    ]
