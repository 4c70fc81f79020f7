"""Which topics does a journal need, and are they as they should be?"""
