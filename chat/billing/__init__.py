"""Limits, prices, the kill switch and the cost of provider calls."""
