"""How do values become bytes, and bytes values?

Contract: pure; the only package that imports protobuf or msgpack. `message`, `unique` and `server_info` are Asynq's formats
(hibiken/asynq v0.26.0), `frame` and `command` are the journal's.
"""
