"""The service: parses pictures of people over HTTPS, masks faces first, keeps nothing. No torch, no training code."""
