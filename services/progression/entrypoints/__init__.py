"""Every way into progression: the evidence topic, and HTTP for policies, frameworks, decisions, mastery and advancement."""
