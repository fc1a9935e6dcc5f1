"""Calendars of people outside of Plyo behind one Protocol (`port`), and what is said to them and read from them.

An adapter knows one kind of server and no rule of ours: which calendar, when to sync and what a busy time means is
`scheduling.service`. Of other people's appointments only the times are read, never what they are about.
"""
