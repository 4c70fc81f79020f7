"""What must every broker do?

Contract: one file a transition; every broker passes all of it.
"""
