"""What a person asks of a deployment as a whole: Redis and PostgreSQL looked at together."""
