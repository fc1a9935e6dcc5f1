"""The rules of our own billing, split by noun. Every function takes the session, never commits, and is given the time.

What changes a customer's money locks the customer's row first.
"""
