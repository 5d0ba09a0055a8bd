"""What the Python tests share: a server of their own, and a way to run.

A test file begins with

    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
    from harness.runner import Skip, main
    from harness.server import Server

and ends with

    if __name__ == "__main__":
        sys.exit(main())
"""
