"""State that several servers behind one address share in PostgreSQL: limits of keys, conversations, files.

The tables are in `schema.py`, in a schema of their own. Nothing of it is loaded without `--database`.
"""
