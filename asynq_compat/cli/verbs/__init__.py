"""Which verbs of Asynq's own command line are there?"""
