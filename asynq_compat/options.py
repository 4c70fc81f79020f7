"""Which options can a task have?"""
