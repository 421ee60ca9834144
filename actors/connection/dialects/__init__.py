"""The dialects of backends; to add one see ``dialect.py`` and the table in ``registry.py``."""
