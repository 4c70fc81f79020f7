"""What must every broker do?

Contract: one file a transition, named like the machine's function and the Lua file; `suite.SCENARIOS` lists all of it. Plain functions
over a `QueueHarness`, free of pytest: a new broker is finished when all of them pass, bound in about twenty lines.
"""
