"""What do users and our own tests need to test with?

Contract: public; free of pytest but for the plugin.
"""
