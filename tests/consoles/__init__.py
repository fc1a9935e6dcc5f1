"""The consoles: their client over real HTTP, their charts and words, their pages."""
