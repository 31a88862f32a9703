"""The schema and every statement of the progression service; `schema` itself is for migrations and tests alone."""
