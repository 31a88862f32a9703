"""`python -m deploy.local` is `attain`, for a checkout that is not installed."""

from deploy.local.cli import main

main()
