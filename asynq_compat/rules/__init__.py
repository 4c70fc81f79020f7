"""Which rules of Asynq hold whatever the broker is?

Contract: pure; time and chance are arguments.
"""
