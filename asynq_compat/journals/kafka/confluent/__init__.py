"""How does confluent-kafka (librdkafka) carry a journal?

Contract: the only code that knows this client library.
"""
