"""Rules of identity as plain functions: `accounts`, `links`, `login`, `sessions`, `clients`, `throttle`."""
