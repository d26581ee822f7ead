"""The software side: the network contract, the golden model, data, and the cost law; `training` learns networks."""
