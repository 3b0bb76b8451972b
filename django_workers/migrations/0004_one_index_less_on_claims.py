import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """The constraint `one_claim_per_task` begins with the same column."""

    dependencies = [("django_workers", "0003_paused_at")]

    operations = [
        migrations.AlterField(
            model_name="claim",
            name="queue",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="claims",
                to="django_workers.queue",
                verbose_name="Queue",
            ),
        ),
    ]
