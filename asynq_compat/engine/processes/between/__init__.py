"""What do a server and its worker processes share?

Contract: both import it; it knows neither side.
"""
