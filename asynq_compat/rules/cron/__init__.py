"""When does a periodic task fire?"""
