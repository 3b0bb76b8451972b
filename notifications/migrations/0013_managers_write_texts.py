from django.db import migrations

from notifications.roles import grant_roles


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0012_index_messages_of_orders'),
        ('django_workers', '0002_stop_reason_rate_and_permission'),
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
    ]

    operations = [
        migrations.RunPython(grant_roles, migrations.RunPython.noop),
    ]
