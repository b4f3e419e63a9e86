import subprocess
import sys


def test_the_room_imports_neither_torch_nor_what_few_stores_need():
    code = "import sys, retiarii.storage; print(sorted({'torch', 'psycopg', 'alembic'} & set(sys.modules)))"
    outcome = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert outcome.stdout == "[]\n"
