"""How do Asynq's rules run on Redis?

Contract: keys, bytes and atomic transitions of asynq v0.26.0; Go processes share this Redis.
"""
