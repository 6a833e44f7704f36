"""The asserts of live.py say what they compared, like those of a test."""

import pytest

pytest.register_assert_rewrite("tests.keys.live")
