"""Which handler runs a task?"""
