"""The local mailbox: a real SMTP server that keeps what it takes, and a small web page to read it.

Local and tests only. Mails stay in a folder, so a restart keeps them. Nothing is ever passed on to the world.
"""
