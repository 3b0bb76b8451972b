"""A migration operation: PostgreSQL tells the workers of new rows at once."""

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.utils import strip_quotes
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from .wakeup import CHANNEL

FUNCTION = "django_workers_notify"


class NotifyOnInsert(Operation):
    """Install a trigger on the model's table that notifies its workers of inserts.

    One notice per statement, sent when its transaction commits. Silent on other
    databases: SQLite needs none, elsewhere polling finds the rows.

        operations = [NotifyOnInsert("OrderNotification")]
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return type(self).__name__, [self.model_name], {}

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change nothing: a trigger is no part of the models."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        table = self._table(app_label, schema_editor, to_state)
        if table is None:
            return
        quoted = schema_editor.quote_name(table)
        trigger = _quoted_name_of_trigger(table, schema_editor)
        schema_editor.execute(
            f"CREATE OR REPLACE FUNCTION {FUNCTION}() RETURNS trigger AS $$ BEGIN "
            f"PERFORM pg_notify('{CHANNEL}', TG_TABLE_NAME); RETURN NULL; "
            "END $$ LANGUAGE plpgsql",
            params=None,
        )
        schema_editor.execute(
            f"CREATE TRIGGER {trigger} AFTER INSERT ON {quoted} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {FUNCTION}()",
            params=None,
        )

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        table = self._table(app_label, schema_editor, from_state)
        if table is None:
            return
        trigger = _quoted_name_of_trigger(table, schema_editor)
        quoted = schema_editor.quote_name(table)
        schema_editor.execute(f"DROP TRIGGER {trigger} ON {quoted}", params=None)

    def _table(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        state: ProjectState,
    ) -> str | None:
        model = state.apps.get_model(app_label, self.model_name)
        alias = schema_editor.connection.alias
        if schema_editor.connection.vendor != "postgresql":
            return None
        if not self.allow_migrate_model(alias, model):
            return None
        table: str = model._meta.db_table
        return table

    def describe(self) -> str:
        return f"Notify workers of new rows of {self.model_name}"

    @property
    def migration_name_fragment(self) -> str:
        return f"notify_on_insert_{self.model_name.lower()}"


def _quoted_name_of_trigger(table: str, schema_editor: BaseDatabaseSchemaEditor) -> str:
    # Django takes names of tables that are quoted already.
    return schema_editor.quote_name(f"{strip_quotes(table)}_notify")
