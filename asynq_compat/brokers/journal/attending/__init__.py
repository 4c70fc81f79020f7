"""Which partitions of its queues does a server follow?"""
