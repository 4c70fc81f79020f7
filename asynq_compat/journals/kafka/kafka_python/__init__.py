"""How does kafka-python carry a journal?

Contract: the only code that knows this client library.
"""
