"""Run the command line as `python -m amazon_tags`."""

from amazon_tags import cli

if __name__ == "__main__":
    cli.main()
