"""Does a Redis that Go and Python share keep its promises when everything around it ends at any moment?"""
