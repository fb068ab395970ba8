"""The Usage screen: report, administration, CSV."""
