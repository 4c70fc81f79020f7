"""What is a task, and what is known about one?"""
