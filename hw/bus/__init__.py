"""What a host sees of an accelerator: its registers, their bank, and the counters behind them."""
