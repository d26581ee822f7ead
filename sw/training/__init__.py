"""Networks that learn: whatever needs torch is in here.

`train` is the front door and `recipe` what it gets. Imports run one way: `run` uses `methods`,
these use `cost`, and all of them `layers`, which stand on `arithmetic`.
"""
