"""The databases of tests/conftest.py, under the name by which tests/client asks for them."""

from __future__ import annotations

from tests.conftest import (  # noqa: F401
    connection,
    database_url,
    make_database,
    migrated_template,
    postgres_server,
)
