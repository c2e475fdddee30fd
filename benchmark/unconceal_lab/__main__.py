"""``python -m unconceal_lab``."""

from unconceal_lab.cli.main import main

if __name__ == "__main__":
    main(prog_name="python -m unconceal_lab")
