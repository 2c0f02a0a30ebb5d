"""What a schema is, as lines to compare: everything that the catalogs of PostgreSQL say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gate.ledger.connection import Connection

#: Each gives one column of text. `s` is the schema, `t` its tables without the migrations' own.
_QUERIES = {
    "table": "SELECT concat_ws(' ', t.oid::regclass, relkind, relpersistence, relrowsecurity,"
    " reloptions, relacl, pg_get_partkeydef(t.oid), pg_get_expr(relpartbound, t.oid),"
    " obj_description(t.oid, 'pg_class')) FROM t",
    "parent": "SELECT concat_ws(' < ', inhrelid::regclass, inhparent::regclass)"
    " FROM pg_inherits JOIN pg_class ON oid = inhrelid, s WHERE relnamespace = s.oid",
    "column": "SELECT concat_ws(' ', attrelid::regclass, attnum, attname,"
    " format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstorage, attacl,"
    " pg_get_expr(adbin, adrelid), col_description(attrelid, attnum))"
    " FROM t JOIN pg_attribute ON attrelid = t.oid"
    " LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0",
    "constraint": "SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(c.oid))"
    " FROM pg_constraint AS c JOIN t ON conrelid = t.oid",
    "index": "SELECT concat_ws(' ', pg_get_indexdef(indexrelid),"
    " obj_description(indexrelid, 'pg_class')) FROM pg_index JOIN t ON indrelid = t.oid",
    "trigger": "SELECT concat_ws(' ', tgrelid::regclass, tgenabled, pg_get_triggerdef(g.oid))"
    " FROM pg_trigger AS g JOIN t ON tgrelid = t.oid WHERE NOT tgisinternal",
    "function": "SELECT concat_ws(' ', pg_get_functiondef(p.oid), proacl,"
    " obj_description(p.oid, 'pg_proc')) FROM pg_proc AS p JOIN s ON pronamespace = s.oid",
    "type": "SELECT concat_ws(' ', typname, enumlabel, enumsortorder)"
    " FROM pg_type AS y JOIN pg_enum ON enumtypid = y.oid JOIN s ON typnamespace = s.oid",
    "sequence": "SELECT concat_ws(' ', relname, relacl, seqtypid::regtype, seqstart, seqincrement)"
    " FROM pg_class JOIN pg_sequence ON seqrelid = pg_class.oid JOIN s ON relnamespace = s.oid"
    " WHERE relname NOT LIKE 'schema_migration%'",
    "schema": "SELECT nspacl::text FROM s",
}
_WITH = (
    "WITH s AS (SELECT * FROM pg_namespace WHERE nspname = current_schema()),"
    " t AS (SELECT pg_class.* FROM pg_class JOIN s ON relnamespace = s.oid"
    " WHERE relkind IN ('r', 'p', 'v', 'm') AND relname <> 'schema_migration') "
)


async def read_catalog(connection: Connection) -> set[str]:
    """One line for each fact."""
    return {
        f"{kind}: {fact}"
        for kind, query in _QUERIES.items()
        for row in await connection.fetch(_WITH + query)
        for fact in row.values()
    }
