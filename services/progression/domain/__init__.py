"""What evidence means: frameworks, policies, mastery, standing, advancement. No I/O, no clock, no random ids."""
