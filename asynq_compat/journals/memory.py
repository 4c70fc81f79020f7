"""How is a journal kept in memory?"""
