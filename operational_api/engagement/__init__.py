"""Engagement owns leads, messages between people, contact preferences and outgoing e-mail.

Other contexts ask it to send through `public.py`; it decides whether and by which channel.
"""
