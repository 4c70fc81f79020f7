"""Does the queue keep its promises in every history?"""
