"""Is the place where journals stand, and what stands in them, as it should be?"""
