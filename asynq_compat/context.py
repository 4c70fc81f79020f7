"""What does a handler know about its run?"""
