"""Embedded Redis, PostgreSQL and NATS as child processes, for development, tests and demos."""

from __future__ import annotations

from gate.stack.errors import StackError
from gate.stack.nats import NatsServer
from gate.stack.postgres import PostgresServer
from gate.stack.redis import AppendFsync, RedisServer
from gate.stack.stack import SERVICES, Service, Stack, StackUrls, default_data_dir

__all__ = [
    "SERVICES",
    "AppendFsync",
    "NatsServer",
    "PostgresServer",
    "RedisServer",
    "Service",
    "Stack",
    "StackError",
    "StackUrls",
    "default_data_dir",
]
