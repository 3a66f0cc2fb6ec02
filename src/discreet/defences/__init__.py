"""Defences against the leaks that audits find, behind one interface, and what each costs."""
