"""What runs inside a worker process?

Contract: the server's process does not import it.
"""
