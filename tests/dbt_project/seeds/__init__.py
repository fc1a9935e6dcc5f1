"""Warehouse rows of other people, in Fivetran's shape, turned back into the documents the APIs would have sent."""
