"""Clients of our own making: closed and open loops, and crowds of which many break off."""
