"""How do `async def` handlers share an event loop?

Contract: one loop a server, on one thread; who starts handlers and hears of their ends is the engine.
"""
