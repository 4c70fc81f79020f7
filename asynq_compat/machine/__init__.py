"""What does a queue do with each command?

Contract: pure, total, deterministic; nothing but `apply` changes the state.
"""
