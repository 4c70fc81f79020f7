"""How does a Kafka topic serve as a journal?

Contract: one partition is one total order; the client library stays inside its driver.
"""
