"""`python -m mqd` is the same as `mqd`."""

from mqd.cli import main

if __name__ == "__main__":
    main()
