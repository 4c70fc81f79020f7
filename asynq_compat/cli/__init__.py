"""What can an operator ask at the command line?

Contract: on top of everything, under nothing: only here are click and rich imported. It knows brokers by their ports alone.
"""
