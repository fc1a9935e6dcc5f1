"""Roles: one admin asks for somebody's role, another approves it. What a role may do is `core/policies/`."""
