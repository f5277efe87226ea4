"""How many replicas of which size carry a load."""
