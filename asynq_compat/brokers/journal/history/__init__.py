"""What does a journal tell of the past?

`recounting` is the port; the rest is what it stands on.
"""
