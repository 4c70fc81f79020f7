"""How does a process follow a journal?

Contract: one replica a journal and process; docs/journal.md.
"""
