"""Where can an ordered, durable log stand?

Contract: the port in `journal`, implemented in memory, in a SQLite file and on the Kafka API.
"""
