"""What runs inside a server?

Contract: one duty a file, named as in Go; speaks to ports only.
"""
