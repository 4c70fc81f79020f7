"""How is a journal kept in a Kafka topic?"""
