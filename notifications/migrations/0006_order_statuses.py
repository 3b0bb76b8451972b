import django.core.validators
import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Value

from notifications.default_statuses import create_default_statuses


def create_statuses(apps, schema_editor):
    status = apps.get_model("notifications", "OrderStatus")
    create_default_statuses(status, schema_editor.connection.alias)


class AddColumn(migrations.AddField):
    """Adds a field that has a default in the database, or none.

    SQLite adds such a column at once; Django would copy the table, with a million rows
    for half a minute.
    """

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor != "sqlite":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            field = model._meta.get_field(self.name)
            BaseDatabaseSchemaEditor.add_field(schema_editor, model, field)


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0005_dashboard'),
    ]

    operations = [
        migrations.CreateModel(
            name='OrderStatus',
            fields=[
                ('code', models.CharField(help_text='For programs: it is never changed again.', max_length=32, primary_key=True, serialize=False, validators=[django.core.validators.RegexValidator('\\A[a-z0-9_-]+\\Z', 'Small Latin letters, digits, “-” and “_” only.')], verbose_name='Code')),
                ('name_ru', models.CharField(blank=True, max_length=64, verbose_name='Name in Russian')),
                ('name_en', models.CharField(blank=True, max_length=64, verbose_name='Name in English')),
                ('position', models.PositiveSmallIntegerField(db_default=0, default=0, help_text='Statuses are offered in this order, the smallest first.', verbose_name='Position')),
                ('is_active', models.BooleanField(db_default=True, default=True, verbose_name='Offered for orders')),
                ('notifies', models.BooleanField(db_default=True, default=True, help_text='When an order comes to this status.', verbose_name='Notify the customer')),
                ('silent', models.BooleanField(db_default=False, default=False, help_text="The message comes, but the customer's phone makes no sound.", verbose_name='Without a sound')),
                ('text_ru', models.TextField(blank=True, db_default='', default='', verbose_name='Text in Russian')),
                ('text_en', models.TextField(blank=True, db_default='', default='', verbose_name='Text in English')),
            ],
            options={
                'verbose_name': 'Order status',
                'verbose_name_plural': 'Statuses and texts',
                'ordering': ['position', 'code'],
                'constraints': [models.CheckConstraint(condition=models.Q(('name_en', ''), ('name_ru', ''), _negated=True), name='order_status_has_a_name', violation_error_message='A status needs a name.'), models.CheckConstraint(condition=models.Q(models.Q(('code', 'new'), _negated=True), ('is_active', True), _connector='OR'), name='initial_status_is_active', violation_error_message='Every new order gets this status: it is always offered.')],
            },
        ),
        # Before orders refer to one of them.
        migrations.RunPython(create_statuses, migrations.RunPython.noop),
        AddColumn(
            model_name='order',
            name='status',
            field=models.ForeignKey(db_default=Value('new'), db_index=False, default='new', on_delete=django.db.models.deletion.PROTECT, related_name='orders', to='notifications.orderstatus', verbose_name='Status'),
        ),
        AddColumn(
            model_name='order',
            name='notify',
            field=models.BooleanField(db_default=True, default=True, verbose_name='Notify the customer'),
        ),
        AddColumn(
            model_name='order',
            name='version',
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['status', '-id'], name='order_by_status'),
        ),
        AddColumn(
            model_name='ordernotification',
            name='status',
            field=models.ForeignKey(blank=True, db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='notifications.orderstatus', verbose_name='Status'),
        ),
        AddColumn(
            model_name='ordernotification',
            name='text',
            field=models.TextField(blank=True, db_default='', default='', editable=False, verbose_name='Text'),
        ),
        AddColumn(
            model_name='ordernotification',
            name='silent',
            field=models.BooleanField(db_default=False, default=False, editable=False, verbose_name='Without a sound'),
        ),
        AddColumn(
            model_name='ordernotification',
            name='is_repeat',
            field=models.BooleanField(db_default=False, default=False, editable=False, verbose_name='Sent again by hand'),
        ),
    ]
