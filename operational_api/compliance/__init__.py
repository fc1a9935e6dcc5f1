"""What people allow us to do with data about their health, who decided it when, and what follows from it.

Data itself, and obeying what was decided, is the business of the context that holds the data.
"""
