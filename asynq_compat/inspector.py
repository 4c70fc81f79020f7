"""How does a program look at queues and tasks, and change them?"""
