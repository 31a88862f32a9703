"""
What is agreed with a district on its data: the inventory of what is held of whom, and docs/agreement.md made of it.

`python -m deploy.agreement` prints the page; a test holds it, and every column of the migrated schema, against the inventory.
"""
