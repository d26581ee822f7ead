"""Convolutions: an event's neighbourhood lies in different banks, so that one operation serves
it."""
