"""The software side: the network contract, the golden model, data, training and the cost law."""
