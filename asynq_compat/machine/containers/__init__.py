"""In what does a machine keep its tasks, and in which order?"""
