"""What an auditor asks of a run. So far: the privacy card."""
