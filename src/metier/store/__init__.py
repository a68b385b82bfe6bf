"""Records in SQL (SQLite in the workspace, PostgreSQL for a team); artefacts in a folder or an object store."""
