"""Who carries the tasks?

Contract: `redis` and `journal` implement the ports; only `connect` opens them.
"""
