"""Every alert, and what people did about it, as rows of PostgreSQL (docs/table.md)."""
