"""Bulk forms of rows and answers beside JSON, chosen by Content-Type and Accept."""

from service.bulk.forms import FORMS, KINDS, Form, form_of, write_bulk

__all__ = ["FORMS", "KINDS", "Form", "form_of", "write_bulk"]
