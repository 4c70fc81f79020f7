"""How do a task and its options become one request?"""
