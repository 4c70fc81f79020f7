"""What is an inspector made of?

One file for each thing that it looks at or changes; `Inspector` puts them together.
"""
