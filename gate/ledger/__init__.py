"""PostgreSQL: the pool, the migrations, and one file of SQL per statement. Decides nothing."""
