"""How are task messages written and read quickly, and exactly as Go does?

Contract: pure; `asynq_compat.wire.message` is the way in.
"""
