"""The FastAPI product: owns the truth in PostgreSQL, a schema per context.

A context is entered only through its `public.py` and its events. Everything here that reads the lake is in `analytics`.
"""
