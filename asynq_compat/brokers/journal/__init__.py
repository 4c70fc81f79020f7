"""How does a journal become a broker?

Contract: writers append frames, replicas fold them; the rules are the machine's.
"""
