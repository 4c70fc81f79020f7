"""What does each caller ask of a broker?

Contract: one `Protocol` per caller, its request values beside it. Synchronous, thread-safe, batch-shaped. Results of the domain
are values, exceptions (from `errors`) are for failure. No port names a technology.
"""
