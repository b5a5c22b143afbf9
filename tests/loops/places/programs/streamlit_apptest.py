"""Streamlit's own test runner: runs a script several times, as a page that is used does."""

from __future__ import annotations

import sys

from jobs import PATIENCE
from streamlit.logger import set_log_level
from streamlit.testing.v1 import AppTest, app_test

set_log_level("ERROR")
app = AppTest.from_file(sys.argv[1], default_timeout=PATIENCE)
for _ in range(int(sys.argv[2])):
    app.run()
    assert not app.exception, app.exception
    assert [text.value for text in app.text] == ["ran"]
# Else it would be cleaned up at exit, with a warning.
app_test.TMP_DIR.cleanup()
