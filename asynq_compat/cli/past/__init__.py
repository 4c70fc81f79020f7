"""What does the command line tell of the past?"""
