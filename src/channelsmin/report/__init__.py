"""Turns results into documents and the page; each module is named after the document it fills."""
