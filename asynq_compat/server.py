"""How does a program run tasks?"""
