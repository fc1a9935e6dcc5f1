"""Scheduling owns locations, coaches' calendars, slots, bookings and the waitlist.

It asks commerce whether a customer may book and uses up pack credits through commerce's public door; it asks training
for clients' names and time zones.
"""
