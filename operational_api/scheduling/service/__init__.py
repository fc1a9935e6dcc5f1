"""Rules of scheduling as plain functions, one module per noun. No HTTP and no commits here."""
