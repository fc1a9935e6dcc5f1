"""The local stack: real servers from wheels, every process of the product, the demo business, one command line.

Nothing in production imports it.
"""
