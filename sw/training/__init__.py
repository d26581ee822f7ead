"""Networks that learn: the training loop, the quantizers, the three published methods. Whatever needs torch is in here."""
