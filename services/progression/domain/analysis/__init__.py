"""Figures about evidence and rules, beside the fold: bounds, chances, summaries of groups. All pure."""
