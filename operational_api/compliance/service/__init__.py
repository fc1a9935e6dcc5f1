"""What compliance does; called by its routers, its pages and its public door."""
