"""Rules of training as plain functions, one module per noun. No HTTP, no commits: the caller's transaction decides."""
