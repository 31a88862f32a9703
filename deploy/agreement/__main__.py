"""`python -m deploy.agreement`: print docs/agreement.md."""

import sys

from deploy.agreement.page import page

if __name__ == "__main__":
    sys.stdout.write(page())
