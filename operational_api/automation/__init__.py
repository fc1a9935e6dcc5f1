"""Automation owns rules (when a score or an event, then an action), their runs and holdouts, and the scores told to it.

It sends through engagement's public door. It never computes a score: the warehouse does, and posts it here.
"""
