"""The schema and every statement of the evidence service; `schema` itself is for migrations and tests alone."""
