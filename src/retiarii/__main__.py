"""``python -m retiarii``: the ``retiarii`` command where no console script is on the path."""

from retiarii.cli import main

if __name__ == "__main__":
    main()
