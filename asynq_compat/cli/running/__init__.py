"""What does the command line run until it is told to stop?"""
