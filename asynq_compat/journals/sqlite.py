"""How is a journal kept in a SQLite file?"""
