"""What does a running server do beside running tasks?"""
