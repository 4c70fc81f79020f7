"""What is a journal?"""
