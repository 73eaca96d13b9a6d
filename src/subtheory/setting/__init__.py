"""What is run: a setting, the parts that a control changes, and how they become arrays."""

__all__ = ["preparation", "setting", "smallness", "spread", "student", "teachers", "whole"]
