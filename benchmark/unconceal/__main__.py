"""``python -m unconceal``."""

from unconceal.cli.main import main

if __name__ == "__main__":
    main()
