"""The store in an SQLite file or a PostgreSQL database: connections, locks, migrations, queries and the writer."""
