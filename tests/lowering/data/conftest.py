"""The script that made these files runs where Brevitas is installed, not in the tests."""

collect_ignore = ["make_brevitas.py"]
