"""What `scripts/reliability.py` measures: one function a row of docs/trust.md, `r4` and the like."""
