"""What integrations do; called by their routers, pages and handlers."""
