"""Is a Redis, and what Asynq keeps in it, as it should be?"""
