"""How is a journal kept short?

Contract: checkpoints are written, found and loaded here, and what they make superfluous is cut; docs/journal.md, "Checkpoints".
"""
