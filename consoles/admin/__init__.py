"""The admin console (Panel): numbers to trust, churn to act on, automations to judge, the state of the data.

`app.py` serves and signs in, `views/` has a module per page, `session.py` knows the person, `tiles.py` draws a number.
"""
