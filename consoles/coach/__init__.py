"""The coach console (Streamlit): what to do in the twenty minutes before the next client.

`app.py` signs in and navigates, `views/` has a module per page, `session.py` knows the person, `serve.py` starts it.
"""
