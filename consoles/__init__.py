"""Screens for coaches and admins: they ask the analytics API and act through the operational one.

They hold no database credential and no SQL.
"""
