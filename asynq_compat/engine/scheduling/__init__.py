"""What runs inside a scheduler?"""
