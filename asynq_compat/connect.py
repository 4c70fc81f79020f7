"""Which broker does a program get, and what chose it?"""
