"""How do commands get into a journal?"""
