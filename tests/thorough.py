"""What takes minutes: `THOROUGH=1 pytest` runs it as well."""

import os

import pytest

thorough = pytest.mark.skipif("THOROUGH" not in os.environ, reason="takes minutes: THOROUGH=1")
