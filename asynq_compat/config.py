"""How is a server configured?"""
