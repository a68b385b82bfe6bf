"""Records in SQL: SQLite in the workspace by default, PostgreSQL for a team; artefacts in a folder or an object store."""
