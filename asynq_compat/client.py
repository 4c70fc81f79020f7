"""How does a program hand over tasks?"""
