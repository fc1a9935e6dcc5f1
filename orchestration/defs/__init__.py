"""One module per source or purpose. Import a module; importing the package does nothing."""
