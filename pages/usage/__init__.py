"""The Usage screen: report, administration and CSV export."""
