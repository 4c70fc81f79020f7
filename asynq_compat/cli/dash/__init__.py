"""How do queues look while they live?"""
